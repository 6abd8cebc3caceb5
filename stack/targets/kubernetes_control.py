"""Apply a rendered stack to a cluster, take it away, and look at it, by kubectl."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from slo.errors import ToolError
from slo.stack.targets.outside_tools import OutsidePart, find_tool, run_tool, version_of

__all__ = ["OVERLAYS", "KubernetesStack", "current_context"]

OVERLAYS = ("development", "production")
_INSTALL = "install it, https://kubernetes.io/docs/tasks/tools"
_ASK_SECONDS, _APPLY_SECONDS, _DELETE_SECONDS = 60, 300, 600
# The server ends a call that hangs before we end kubectl.
_REQUEST = "--request-timeout=50s"
_WORKLOADS = "deployments,statefulsets,daemonsets"
# Claims, secrets and the namespace are not among these: they are what is lost for good.
_REPLACEABLE = (
    "horizontalpodautoscalers,poddisruptionbudgets,ingresses,"
    f"{_WORKLOADS},services,configmaps,networkpolicies,serviceaccounts"
)
_MANAGED = "app.kubernetes.io/managed-by=slostack"
_OF_CLUSTER = "clusterrolebindings,clusterroles"


def current_context() -> str:
    """
    Return the context that kubectl would use.

    Raises:
        ToolError: There is no kubectl, or no context is chosen.
    """
    kubectl = find_tool("kubectl", _INSTALL)
    done = run_tool([kubectl, "config", "current-context"], seconds=_ASK_SECONDS)
    if done.returncode:
        raise ToolError(
            "kubectl has no current context: choose a cluster by --context, one of those that "
            "`kubectl config get-contexts` lists"
        )
    return done.stdout.strip()


class KubernetesStack:
    """Call kubectl on the namespace *name* of one cluster, whatever becomes the current one."""

    def __init__(self, name: str, context: str) -> None:
        """
        Find the program.

        Raises:
            ToolError: There is no kubectl.
        """
        self._name = name
        self._kubectl = (find_tool("kubectl", _INSTALL), "--context", context)
        self._ours = f"app.kubernetes.io/part-of={name}"

    def up(self, folder: Path, overlay: str) -> None:
        """
        Apply namespace, secrets and the overlay that was rendered into *folder*.

        Raises:
            ToolError: The server did not take something; what came before it stays.
        """
        self._show("apply", "--server-side", "--filename", str(folder / "base/namespace.yaml"))
        built = self._must(
            "kustomize",
            "--load-restrictor",
            "LoadRestrictionsNone",
            str(folder / "secrets"),
            seconds=_APPLY_SECONDS,
        )
        if built.strip():
            self._show("apply", "--server-side", "--filename", "-", stdin=built)
        self._show("apply", "--server-side", "--kustomize", str(folder / "overlays" / overlay))

    def wait(self, seconds: float) -> None:
        """
        Wait until all pods are there and ready.

        Raises:
            ToolError: They are not within *seconds*.
        """
        end = time.monotonic() + seconds
        names = self._must(
            *self._get(_WORKLOADS), "--selector", self._ours, "--output", "name", _REQUEST
        )
        for name in names.split():
            left = max(1, round(end - time.monotonic()))
            arguments = ("rollout", "status", name, *self._in_namespace, f"--timeout={left}s")
            if self._run(*arguments, seconds=left + _ASK_SECONDS, shown=True).returncode:
                raise ToolError(
                    f"{name} is not up within {seconds:.0f} seconds; the server works on.\n"
                    "See `slo stack status --target kubernetes`, and "
                    f"`kubectl --namespace {self._name} describe {name}`"
                )

    def down(self) -> None:
        """
        Delete all objects of the stack but claims, secrets and namespace.

        Raises:
            ToolError: The server refused, or did not get it done in time.
        """
        self._delete(_REPLACEABLE, *self._in_namespace, "--selector", self._ours)
        # What belongs to no namespace may be that of somebody else with the same name.
        self._delete(_OF_CLUSTER, "--selector", f"{self._ours},{_MANAGED}")

    def purge(self) -> None:
        """
        Delete claims, secrets and the namespace; the cluster ends that in its own time.

        Raises:
            ToolError: The server refused.
        """
        # What the server makes of a claim's template has the labels that tell pods.
        claims = f"app.kubernetes.io/instance={self._name}"
        later = "--wait=false"
        self._delete("persistentvolumeclaims", *self._in_namespace, "--selector", claims, later)
        self._delete("secrets", *self._in_namespace, "--selector", self._ours, later)
        # Only one that `up` has taken: who uses another one's namespace keeps it.
        own = ("--selector", f"{self._ours},{_MANAGED}")
        self._delete("namespaces", "--field-selector", f"metadata.name={self._name}", *own, later)

    def parts(self) -> tuple[OutsidePart, ...]:
        """
        Return how each workload stands; nothing if there is none.

        Raises:
            ToolError: The server does not say.
        """
        text = self._must(
            *self._get(_WORKLOADS), "--selector", self._ours, "--output", "json", _REQUEST
        )
        try:
            return tuple(sorted(_parts(json.loads(text)), key=lambda part: part.name))
        except (ValueError, KeyError, TypeError) as error:
            raise ToolError(f"kubectl get: not understood: {error}") from error

    @property
    def _in_namespace(self) -> tuple[str, str]:
        return "--namespace", self._name

    def _get(self, kinds: str) -> tuple[str, ...]:
        return ("get", kinds, *self._in_namespace)

    def _delete(self, *arguments: str) -> None:
        self._show("delete", *arguments, "--ignore-not-found", seconds=_DELETE_SECONDS)

    def _show(
        self, *arguments: str, seconds: float = _APPLY_SECONDS, stdin: str | None = None
    ) -> None:
        if self._run(*arguments, seconds=seconds, shown=True, stdin=stdin).returncode:
            raise ToolError(f"kubectl {' '.join(arguments[:2])} failed; its own words are above")

    def _must(self, *arguments: str, seconds: float = _ASK_SECONDS) -> str:
        done = self._run(*arguments, seconds=seconds)
        if done.returncode:
            raise ToolError(f"kubectl {arguments[0]} failed: {done.stderr.strip()}")
        return done.stdout

    def _run(
        self, *arguments: str, seconds: float, shown: bool = False, stdin: str | None = None
    ) -> CompletedProcess[str]:
        return run_tool((*self._kubectl, *arguments), seconds=seconds, shown=shown, stdin=stdin)


def _parts(listed: Mapping[str, Any]) -> Iterator[OutsidePart]:
    for item in listed["items"]:
        spec, status = item["spec"], item.get("status") or {}
        if item["kind"] == "DaemonSet":
            wanted = status.get("desiredNumberScheduled", 0)
            ready, new = status.get("numberReady", 0), status.get("updatedNumberScheduled", 0)
        else:
            wanted = spec.get("replicas", 1)
            ready, new = status.get("readyReplicas", 0), status.get("updatedReplicas", 0)
        seen = status.get("observedGeneration", 0) >= item["metadata"]["generation"]
        image = spec["template"]["spec"]["containers"][0]["image"]
        if not seen:
            condition, reason = "waiting", "no controller has looked at it yet"
        elif ready < wanted:
            condition, reason = "starting", f"{ready} of {wanted} pods are ready"
        elif new < wanted:
            condition, reason = "starting", f"{new} of {wanted} pods are of the latest form"
        else:
            condition, reason = "up", ""
        yield OutsidePart(item["metadata"]["name"], condition, reason, version=version_of(image))
