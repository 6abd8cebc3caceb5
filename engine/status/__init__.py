"""Say how every SLO stands right now, whatever the metrics server is doing."""
