"""Measure how often a queue's oldest entry is too old."""

SLI_PLUGIN_NAME = "example.com/queue_age"


def sli_plugin(meta, labels, options):
    if "queue" not in options:
        raise ValueError("name the queue in the option `queue`")
    limit = int(options["limit"])
    return f'avg_over_time((queue_age_seconds{{queue="{options["queue"]}"}} > bool {limit})[{{{{.window}}}}:])'
