"""What a new process of the web server reads at once, so that nobody's first page waits for it.

Of a cluster with 50,000 real servers that takes seconds. It is done beside the pages, in a thread; a page
that wants the same meanwhile waits for it in place of doing it again (`lvs.rows.shelf`).
"""

from __future__ import annotations

import logging
from threading import Thread

from django.db import DatabaseError, connection

from lvs import models, store
from lvs.errors import LvsError
from piranha_web.listing import listing

MOST_CLUSTERS = 4  # each keeps its candidate in memory from then on

log = logging.getLogger("piranha.site")


def begin() -> Thread:
    """Reads in a thread of its own, which ends with the process."""
    thread = Thread(target=_with_its_connection, name="warming", daemon=True)
    thread.start()
    return thread


def _with_its_connection() -> None:
    try:
        warm()
    finally:
        connection.close()


def warm() -> None:
    """Reads what every page of a cluster asks for; what cannot be read now, the pages say themselves."""
    try:
        for cluster in models.Cluster.objects.all()[:MOST_CLUSTERS]:
            store.pending(cluster)
            listing(cluster)
    except (DatabaseError, LvsError) as error:
        log.info("nothing was read ahead: %s", error)
