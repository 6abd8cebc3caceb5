"""Render a stack for where it shall run: local processes, Compose, Kubernetes."""
