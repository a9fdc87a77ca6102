"""The connections that are open through a router, asked of it now (ARCHITECTURE.md, `connections`)."""

from __future__ import annotations

from collections.abc import Mapping

from lvs import models, tasks
from lvs.sent.asking import Told, told_by

WAIT_SECONDS = 9.0  # for one reading, and another one before it


def connections(router: models.Router, asked: Mapping[str, str | int]) -> Told:
    """What is open there. asked: `client`, `virtual_server`, `real_server`, `protocol`, `state`, `limit`.

    With the limit 0 it tells numbers alone, and no client.
    """
    return told_by([router], tasks.connections, [dict(asked)], WAIT_SECONDS)[0]
