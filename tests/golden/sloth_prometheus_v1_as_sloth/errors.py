"""Measure the share of failed runs of a metric pair."""

SLI_PLUGIN_ID = "example.com/errors"


def sli_plugin(meta, labels, options):
    metric = options["metric"]
    failed = f"sum(rate({metric}_failed_total[{{{{.window}}}}]))"
    return failed, f"sum(rate({metric}_total[{{{{.window}}}}]))"
