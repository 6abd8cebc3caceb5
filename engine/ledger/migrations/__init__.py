"""Hold the steps that bring a ledger's tables up to date, one file each, in alembic's form."""
