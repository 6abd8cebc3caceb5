"""Read metrics from servers that speak Prometheus's query API."""
