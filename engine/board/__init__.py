"""Show the error budgets of all services on one page."""
