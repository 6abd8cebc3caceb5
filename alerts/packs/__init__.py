"""Make rules for the red flags that every stack has, with tests and a runbook for each."""
