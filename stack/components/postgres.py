"""Describe PostgreSQL: it holds the ledger where several replicas of the engine share one."""

from __future__ import annotations

from slo.stack.components.context import Context
from slo.stack.components.model import Component, Probe, Volume

__all__ = ["DATABASE", "PASSWORD", "SERVICE_FILE", "USER", "ledger_url", "postgres"]

DATABASE = USER = "slostack"
PASSWORD = "postgres-password"  # noqa: S105 - the name of a file
# libpq reads the password from it. A password file would have to belong to the user of
# the process, which a mounted secret does not.
SERVICE_FILE = "postgres-service.conf"


def ledger_url(address: str) -> str:
    """
    Return the engine's `--ledger`; the password stands in the service file.

    Args:
        address: `host:port` of PostgreSQL.
    """
    return f"postgresql://{USER}@{address}/{DATABASE}?service={DATABASE}"


def postgres(context: Context) -> Component:
    """Return PostgreSQL, reached from inside the stack only."""
    name = "postgres"
    places = context.places
    port = context.port(name, "postgres")
    return Component(
        name=name,
        role="holds the ledger of the engine's replicas",
        image=context.image(name),
        # A cluster of its own user and folder is more than starting a program.
        program=None,
        arguments=("-c", f"port={port.number}"),
        environment={
            "POSTGRES_DB": DATABASE,
            "POSTGRES_USER": USER,
            "POSTGRES_PASSWORD_FILE": places.secret(name, PASSWORD),
            "POSTGRES_INITDB_ARGS": "--auth-host=scram-sha-256 --data-checksums",
            "PGDATA": f"{places.data(name)}/pgdata",
        },
        ports=context.ports(name),
        probe=Probe(
            "postgres", "", 60, ("pg_isready", "-q", "-h", "127.0.0.1", "-U", USER, "-d", DATABASE)
        ),
        resources=context.resources(name, 0.25, 128, 512),
        volumes=(Volume("postgres-data", places.data(name), 10),),
        secrets=(context.secret(name, PASSWORD, "password of the ledger", generated=True),),
        user=999,
    )
