"""Turn plans into OpenTelemetry Collector configs."""
