"""Turn plans into recording rules, burn-rate alerts, their tests and Alertmanager routing."""
