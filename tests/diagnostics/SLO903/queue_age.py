"""Measure how often a queue's oldest entry is too old."""

SLI_PLUGIN_NAME = "example.com/queue_age"


def sli_plugin(meta, labels, options):
    if "queue" not in options:
        raise ValueError("name the queue in the option `queue`")
    queue, limit = options["queue"], int(options["limit"])
    too_old = f'queue_age_seconds{{queue="{queue}"}} > bool {limit}'
    return f"avg_over_time(({too_old})[{{{{.window}}}}:])"
