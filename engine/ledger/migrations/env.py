"""Run the steps on the connection that the ledger hands over; alembic loads this file."""

from __future__ import annotations

from alembic import context

__all__ = ["run"]


def run() -> None:
    """Run them inside the transaction that the connection is in."""
    attributes = context.config.attributes
    context.configure(
        connection=attributes["connection"], version_table=attributes["version_table"]
    )
    with context.begin_transaction():
        context.run_migrations()


# The name under which alembic loads this file; whoever else imports it wants nothing done.
if __name__ == "env_py":
    run()
