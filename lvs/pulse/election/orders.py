"""How an order to be active ends: it is done, or there is a reason why not. Pure."""

from __future__ import annotations

from lvs.pulse.election.table import Action, Order, Stage, Verb
from lvs.pulse.election.view import View
from lvs.router.floating import Role

_NOT_RAISED = "pulse has not raised the floating addresses of this router: look into its log"
_NOT_ASKED = "the other router did not hand over: see there what speaks against it"


def ended(view: View, now: float) -> Action | None:
    """The answer that is due now; None: there is no such order, or it goes on."""
    order = view.order
    if order in (None, Order.STOP):
        return None
    if view.stage is Stage.ACTIVE and view.up:
        return Action(Verb.DONE, "this router is active", order=order)
    if view.stage is Stage.ACTIVE and view.late(now):
        return broken_off(view)
    if view.role is Role.STANDBY and now >= view.order_at + view.asking_time:
        return Action(Verb.REFUSE, _NOT_ASKED, "warning", order)
    return None


def broken_off(view: View) -> Action | None:
    """The answer of an active router that gives its role away; None: it was not ordered to have it.

    Such an order would have been done, were the addresses up.
    """
    if view.order is None:
        return None
    return Action(Verb.REFUSE, _NOT_RAISED, "warning", view.order)
