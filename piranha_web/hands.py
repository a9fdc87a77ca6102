"""The verbs for real servers in service: what each means, what it asks for, and what it is called."""

from __future__ import annotations

from dataclasses import dataclass

from lvs.nanny.hand import LONGEST_REASON, Order

__all__ = ["LONGEST_REASON", "VERBS", "Order", "Verb"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """One order of the administrator's.

    label: on its button. title: what is done, {} being to whom. meaning: what happens then. end_label: what
    its end is called; "": it takes none. takes_out: no new connection reaches those that it touches.
    """

    order: Order
    label: str
    title: str
    meaning: str
    end_label: str = ""
    end_help: str = ""
    needs_reason: bool = False
    takes_out: bool = False


VERBS = {
    verb.order.value: verb
    for verb in (
        Verb(
            order=Order.DRAIN,
            label="Drain",
            title="Drain {}",
            meaning="A drained real server gets no new connections and keeps those that it has. With none "
            "left it goes out of the table, and stays out until you put it back to automatic.",
            end_label="At the latest",
            end_help="When it goes out of the table with the connections that are left: 30 min, 2 h, 14:30. "
            "Blank: it waits for the last one.",
            takes_out=True,
        ),
        Verb(
            order=Order.MAINTENANCE,
            label="Maintenance",
            title="Put {} into maintenance",
            meaning="A real server in maintenance gets no new connections and keeps those that it has. At "
            "the end its checks decide again, by themselves.",
            end_label="Ends",
            end_help="30 min, 2 h, 1 d, 14:30, tomorrow 08:00 or 2030-01-31 08:00. Blank: when somebody "
            "puts it back to automatic.",
            needs_reason=True,
            takes_out=True,
        ),
        Verb(
            order=Order.UP,
            label="Force up",
            title="Force {} up",
            meaning="A real server that is forced up gets connections whatever its checks say, also when it "
            "does not answer.",
            end_label="Ends",
            end_help="30 min, 2 h, 14:30. Blank: when somebody puts it back to automatic.",
        ),
        Verb(
            order=Order.DOWN,
            label="Force down",
            title="Force {} down",
            meaning="A real server that is forced down is out as if its checks failed: with Quiesce server "
            "its connections go on at weight 0, without they end.",
            end_label="Ends",
            end_help="30 min, 2 h, 14:30. Blank: when somebody puts it back to automatic.",
            takes_out=True,
        ),
        Verb(
            order=Order.AUTO,
            label="Back to automatic",
            title="Put {} back to automatic",
            meaning="The checks decide again: a real server that was out comes back as its last checks say.",
        ),
    )
}
