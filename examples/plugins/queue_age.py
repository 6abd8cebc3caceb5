"""
Show an SLI plugin: messages that wait too long in a queue.

Use it with `slo compile --plugins examples/plugins SPEC`, and in the spec:

    indicator:
      plugin: {id: queue_age, options: {queue: invoices, limit: "60"}}
"""

from collections.abc import Mapping

SLI_PLUGIN_ID = "queue_age"

# Checked before the function runs; problems are reported at the spec's line.
OPTIONS_SCHEMA = {
    "type": "object",
    "required": ["queue"],
    "additionalProperties": False,
    "properties": {
        "queue": {"type": "string", "pattern": "^[a-z_]+$"},
        "limit": {"type": "string", "pattern": "^[0-9]+$"},
    },
}


def sli_plugin(
    meta: Mapping[str, str], labels: Mapping[str, str], options: Mapping[str, str]
) -> tuple[str, str]:
    """Return the query for late messages and the query for all of them."""
    queue, limit = options["queue"], options.get("limit", "60")
    every = f'sum(rate(queue_wait_seconds_count{{queue="{queue}"}}[{{{{.window}}}}]))'
    bucket = f'queue_wait_seconds_bucket{{queue="{queue}",le="{limit}"}}'
    in_time = f"sum(rate({bucket}[{{{{.window}}}}]))"
    return f"{every} - {in_time}", every
