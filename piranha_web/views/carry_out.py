"""An order that a router carries out now or never, with its entries in the audit log and its answer shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest

from lvs import models
from lvs.sent.orders import Outcome
from piranha_web import audit


def carry_out(
    request: HttpRequest,
    action: audit.Action,
    text: str,
    order: Callable[[], Outcome],
    /,
    *,
    cluster: models.Cluster,
    target: str,
    **details: Any,
) -> None:
    """Gives it, in no transaction of ours. text, target, details: of the entries."""
    with audit.asked(request, action, text, cluster=cluster, target=target, **details) as answered:
        outcome = order()
        answered.take(outcome.ok, outcome.sentence)
    (messages.success if outcome.ok else messages.error)(request, outcome.sentence)
