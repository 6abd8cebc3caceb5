"""Say how many pods there are: what scales by load, and how many may be away at once."""

from __future__ import annotations

from slo.stack.components.model import Component
from slo.stack.settings import StackSettings
from slo.stack.targets.kubernetes_objects import Object, metadata, selector
from slo.stack.targets.kubernetes_workload import kind_of, scales

__all__ = ["autoscaler", "disruption_budget", "least_replicas"]

_SPARE = 2
_MOST = 4
# Of what is requested. Memory says nothing: a queue that cannot drain needs no more pods.
_CPU_PERCENT = 70


def least_replicas(component: Component) -> int:
    """Return how many pods of *component* there always are in production."""
    return max(_SPARE, component.replicas) if scales(component) else component.replicas


def disruption_budget(component: Component, settings: StackSettings) -> Object | None:
    """
    Return how many pods may be away because of maintenance; none where there is only one.

    A budget for a single pod either allows everything or stops every drain of its node.
    """
    if component.every_node or least_replicas(component) < _SPARE:
        return None
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(component.name, component.name, settings),
        "spec": {
            "maxUnavailable": 1,
            # A pod that is broken anyway must not keep a node from being drained.
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": selector(component.name, settings)},
        },
    }


def autoscaler(component: Component, settings: StackSettings) -> Object | None:
    """Return what adds and removes pods of *component* with its load, where that makes sense."""
    if not scales(component):
        return None
    least = least_replicas(component)
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": metadata(component.name, component.name, settings),
        "spec": {
            "scaleTargetRef": {
                "apiVersion": "apps/v1",
                "kind": kind_of(component),
                "name": component.name,
            },
            "minReplicas": least,
            "maxReplicas": least * _MOST,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {
                        "name": "cpu",
                        "target": {"type": "Utilization", "averageUtilization": _CPU_PERCENT},
                    },
                }
            ],
            "behavior": {
                "scaleUp": {"stabilizationWindowSeconds": 60},
                # Each change moves traces and streams to other pods, so go down slowly.
                "scaleDown": {
                    "stabilizationWindowSeconds": 900,
                    "policies": [{"type": "Pods", "value": 1, "periodSeconds": 300}],
                },
            },
        },
    }
