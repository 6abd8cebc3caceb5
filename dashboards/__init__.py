"""Turn plans into Grafana dashboards."""
