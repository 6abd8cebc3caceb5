"""Watch for processes that do not stay up."""

from __future__ import annotations

from slo.alerts.packs.model import Check, Feed, PackRules, Scenario, gauge, missing, wait
from slo.alerts.packs.settings import Settings, Words
from slo.duration import minutes
from slo.indicators.params import matcher, series

__all__ = ["build"]

_OOM_METRIC = "kube_pod_container_status_last_terminated_reason"
_WAITING_METRIC = "kube_pod_container_status_waiting_reason"
# A container that crashes waits to be restarted, and is no restart yet.
_STUCK = (
    "CreateContainerConfigError|CreateContainerError|ErrImagePull|ImagePullBackOff|InvalidImageName"
)
_MANY = "0.5"


def build(settings: Settings) -> PackRules:
    """Return the rules on restart loops, of one container and of most of a workload."""
    selector = settings.given.get("selector")
    restarts, within = settings.series("restarts_metric"), settings.duration("within")
    limit = settings.amount("restarts")
    # Changes are counted: an increase is extrapolated, and turns two restarts of a young
    # container into three. A range still sees what is gone, `and` does not.
    looping = f"(changes({restarts}[{within}]) >= {limit} and {restarts})"
    alike = "by (namespace, container)"
    killed = series(_OOM_METRIC, selector, matcher("reason", "=", "OOMKilled"))
    waiting = series(_WAITING_METRIC, selector, matcher("reason", "=~", _STUCK))
    process = settings.series("start_time_metric")
    who = "{{ $labels.container }} of {{ $labels.namespace }}/{{ $labels.pod }}"
    logs = "the last words of the one before: `kubectl logs --previous`, and its exit code."
    alerts = (
        settings.alert(
            "ContainerRestartLoop",
            "ticket",
            looping,
            Words(
                f"{who} restarts again and again",
                f"{who} was restarted {{{{ $value }}}} times within {within}.",
                logs,
            ),
            settings.duration("for"),
        ),
        settings.alert(
            "WorkloadRestartLoop",
            "page",
            f"count {alike} {looping} / count {alike} ({restarts}) >= {_MANY}",
            Words(
                "{{ $labels.container }} in {{ $labels.namespace }} does not stay up",
                "{{ $value | humanizePercentage }} of the containers {{ $labels.container }} in "
                f"{{{{ $labels.namespace }}}} were restarted {limit} times or more within "
                f"{within}.",
                "whether a deployment or a change of configuration came just before; if so, "
                "roll it back.",
            ),
            settings.duration("for"),
        ),
        settings.alert(
            "ContainerOutOfMemory",
            "ticket",
            f"changes({restarts}[{within}]) > 0\nand on (namespace, pod, container) {killed} == 1",
            Words(
                f"{who} runs out of memory",
                f"{who} was killed for its memory, and restarted {{{{ $value }}}} times within "
                f"{within}.",
                "its memory over the last day: a slope is a leak, a jump is one large request.",
            ),
            minutes(0),
        ),
        settings.alert(
            "ContainerCannotStart",
            "ticket",
            f"{waiting} == 1",
            Words(
                f"{who} cannot start",
                f"{who} waits to be started: {{{{ $labels.reason }}}}.",
                "`kubectl describe pod`: the name of the image, its registry, secrets and volumes.",
            ),
            minutes(15),
        ),
        settings.alert(
            "ProcessRestartLoop",
            "ticket",
            # Where Kubernetes counts the restarts of the same pod, that alert is enough.
            f"changes({process}[{within}]) >= {limit} and {process}\n"
            f"unless on (namespace, pod) {looping}",
            Words(
                "{{ $labels.job }} on {{ $labels.instance }} restarts again and again",
                "{{ $labels.job }} on {{ $labels.instance }} was started {{ $value }} times "
                f"within {within}.",
                "its log just before each start: `journalctl -u UNIT`.",
            ),
            settings.duration("for"),
        ),
    )
    return PackRules((), alerts, _scenarios(settings))


def _scenarios(settings: Settings) -> tuple[Scenario, ...]:
    count = int(settings.number("restarts"))
    within = wait(settings.duration("within"))
    lasting = wait(settings.duration("for"))
    step = max(1, (within - 2) // (count + 1))
    turns = count + lasting // step + 2
    looping = [(float(turn), step) for turn in range(turns)]
    end = step * turns
    steady = gauge((0, end + within + 10))

    def pod(name: str) -> dict[str, str]:
        return {"namespace": "shop", "pod": name, "container": "app"}

    def restarts(name: str, values: str) -> Feed:
        return Feed(settings.sample("restarts_metric", **pod(name)), values)

    crashing = gauge(*looping, (float(turns - 1), within + 10))
    calm = end + within + 5
    started = [(1000.0 + 60 * turn, step) for turn in range(turns)]
    return (
        Scenario(
            "one of three containers crashes again and again, then stays up",
            (restarts("a", crashing), restarts("b", steady), restarts("c", steady)),
            (
                Check("ContainerRestartLoop", step, 0),
                Check("ContainerRestartLoop", end, 1),
                Check("ContainerRestartLoop", calm, 0),
                Check("WorkloadRestartLoop", end, 0),
            ),
        ),
        Scenario(
            "two of three crash",
            (restarts("a", crashing), restarts("b", crashing), restarts("c", steady)),
            (
                Check("ContainerRestartLoop", end, 2),
                Check("WorkloadRestartLoop", end, 1),
                Check("WorkloadRestartLoop", calm, 0),
            ),
        ),
        Scenario(
            "a crashing pod is deleted, and its successor counts from zero",
            (
                restarts("a", f"{gauge(*looping)} {missing(within + 10)}"),
                restarts("b", f"{missing(end)} {gauge((0, within + 10))}"),
            ),
            (
                Check("ContainerRestartLoop", end - 1, 1),
                Check("WorkloadRestartLoop", end - 1, 1),
                Check("ContainerRestartLoop", end + 6, 0),
                Check("WorkloadRestartLoop", end + 6, 0),
            ),
        ),
        Scenario(
            "killed once for its memory",
            (
                restarts("a", gauge((0, 10), (1, within + 10))),
                Feed(
                    settings.sample_of(_OOM_METRIC, **pod("a"), reason="OOMKilled"),
                    f"{missing(10)} {gauge((1, within + 10))}",
                ),
            ),
            (
                Check("ContainerOutOfMemory", 9, 0),
                Check("ContainerOutOfMemory", 11, 1),
                Check("ContainerOutOfMemory", 10 + within + 1, 0),
                *((Check("ContainerRestartLoop", 11 + lasting, 0),) if count > 1 else ()),
            ),
        ),
        Scenario(
            "an image that cannot be pulled, and is in the end",
            (
                Feed(
                    settings.sample_of(_WAITING_METRIC, **pod("a"), reason="ImagePullBackOff"),
                    f"{gauge((1, 30))} {gauge((0, 10))}",
                ),
            ),
            (
                Check("ContainerCannotStart", 10, 0),
                Check("ContainerCannotStart", 20, 1),
                Check("ContainerCannotStart", 31, 0),
            ),
        ),
        Scenario(
            "a process outside of Kubernetes",
            (
                Feed(
                    settings.sample("start_time_metric", job="mail", instance="host-1"),
                    gauge(*started, (started[-1][0], within + 10)),
                ),
            ),
            (
                Check("ProcessRestartLoop", step, 0),
                Check("ProcessRestartLoop", end, 1),
                Check("ProcessRestartLoop", calm, 0),
            ),
        ),
    )
