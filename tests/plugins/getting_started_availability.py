"""Port of sloth's example plugin: HTTP availability of a job."""

from __future__ import annotations

import re
from collections.abc import Mapping

SLI_PLUGIN_ID = "getting_started_availability"

_MATCHER = re.compile(r'\s*[^=,{}"\s]+\s*=\s*"[^"]*"\s*')
_METRIC = "http_request_duration_seconds_count"


def sli_plugin(
    meta: Mapping[str, str], labels: Mapping[str, str], options: Mapping[str, str]
) -> str:
    """Return the error ratio of the option `job`, narrowed by the option `filter`."""
    for key in ("owner", "tier"):
        if not labels.get(key):
            raise ValueError(f"the label {key!r} is required")
    job = options.get("job")
    if not job:
        raise ValueError("the option 'job' is required")
    selector = f'{_filter(options.get("filter", ""))}job="{job}"'
    failed = f'sum(rate({_METRIC}{{ {selector},code=~"(5..|429)" }}[{{{{.window}}}}]))'
    every = f"sum(rate({_METRIC}{{ {selector} }}[{{{{.window}}}}]))"
    return f"\n{failed}\n/\n{every}"


def _filter(text: str) -> str:
    inner = text.strip().removeprefix("{").removesuffix("}").strip().removesuffix(",")
    if not inner:
        return ""
    for matcher in inner.split(","):
        if not _MATCHER.fullmatch(matcher):
            raise ValueError(f"the option 'filter' holds {matcher!r}, not name=\"value\"")
    return f"{inner},"
