"""Let one replica at a time do what need not be done twice, such as polling."""

from __future__ import annotations

import math

from sqlalchemy import Connection, delete, or_

from slo.engine.ledger.database import Database
from slo.engine.ledger.tables import leases
from slo.engine.ledger.validation import check_text
from slo.errors import InvalidRecord

__all__ = ["acquire_lease", "release_lease"]


def acquire_lease(database: Database, name: str, holder: str, seconds: float) -> bool:
    """
    Take or renew a lease, and tell whether *holder* has it now.

    Only the database's clock counts. A holder that stops, however suddenly, loses the lease
    after *seconds*; one that was merely asleep must ask again before it goes on.

    Raises:
        LedgerError: The database cannot be written, so nobody knows.
    """
    check_text("the lease's name", name)
    check_text("the lease's holder", holder)
    if not 0 < seconds < math.inf:
        raise InvalidRecord("a lease lasts more than 0 seconds")
    now = database.now()
    taken = (
        database.insert(leases)
        .values(name=name, holder=holder, expires_at=now + seconds)
        .on_conflict_do_update(
            index_elements=[leases.c.name],
            set_={"holder": holder, "expires_at": now + seconds},
            where=or_(leases.c.holder == holder, leases.c.expires_at <= now),
        )
        .returning(leases.c.holder)
    )

    def work(connection: Connection) -> bool:
        return connection.execute(taken).first() is not None

    return database.write(work)


def release_lease(database: Database, name: str, holder: str) -> None:
    """
    Give a lease back; what somebody else holds stays theirs.

    Raises:
        LedgerError: The database cannot be written; the lease ends by itself.
    """
    ours = delete(leases).where(leases.c.name == name, leases.c.holder == holder)
    database.write(lambda connection: connection.execute(ours))
