"""The line of every page: worst first, short, and red when something is wrong with the pair."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from lvs import dispatch, models
from lvs.reported.witness import Alarm
from lvs.sent import orders
from piranha_web.status_line import StatusLine, shortened, status_line

BOTH = Alarm("danger", "r1 and r2 are both active: both answer for the virtual addresses. Mend that.")
DIFFER = Alarm("warning", "The routers do not run the same lvs.cf (r1 has serial_no 2): wait.")
LINK = Alarm("warning", "r1: The private link has been silent for 47 s: look at eth1.")


def line(
    *alarms: Alarm,
    routers: tuple[dispatch.RouterState, ...] = (),
    applying: bool = False,
    waiting: orders.Waiting | None = None,
    **changes: Any,
) -> StatusLine:
    """The status line of a cluster with these alarms."""
    now = dispatch.ClusterState(
        **{"routers": routers, "problem": None, "manager_problem": None, "alarms": alarms, **changes}
    )
    return status_line(now, waiting, applying=applying)


def router(level: str, sentence: str, **changes: Any) -> dispatch.RouterState:
    """A router as dispatch describes it."""
    row = models.Router(pk=5, name="r2", node="backup")
    return dispatch.RouterState(router=row, report=None, level=level, sentence=sentence, **changes)


@pytest.mark.parametrize(
    ("alarm", "text"),
    [
        (BOTH, "r1 and r2 are both active"),
        (DIFFER, "The routers do not run the same lvs.cf"),
        (LINK, "r1: The private link has been silent for 47 s"),
        (Alarm("danger", "No router is active, so nobody answers."), "No router is active"),
        (
            Alarm("danger", "Somebody answers for 192.168.26.10 on eth0.5."),
            "Somebody answers for 192.168.26.10 on eth0.5",
        ),
    ],
)
def test_an_alarm_says_its_first_clause_there_and_all_of_it_on_hover(alarm: Alarm, text: str) -> None:
    (item,) = line(alarm).items
    assert (item.text, item.whole) == (text, alarm.sentence)


@pytest.mark.parametrize(
    ("problems", "text"),
    [
        (
            ["shop: protection keeps web1 in, though its check fails"],
            "r2: active, shop: protection keeps web1 in",
        ),
        (["No load from web1 (refused)", "x"], "r2: active, No load from web1, and 1 more"),
        (
            ["line 5: weight 0 keeps new connections away: write 1 or more", "x"],
            "r2: active, line 5: weight 0 keeps new connections away, and 1 more",
        ),
        (["x"], "r2: active"),
        ([], "r2: active"),
    ],
)
def test_of_a_routers_problems_the_line_has_the_first_clause(problems: list[str], text: str) -> None:
    whole = "r2: active" if text == "r2: active" else f"r2: active, {problems[0]}"
    assert shortened(whole, problems) == text


def test_the_line_is_red_for_whatever_is_wrong_with_the_pair() -> None:
    assert line(BOTH).is_red
    assert line(DIFFER).is_red
    assert line(routers=(router("danger", "its worker has been silent for 9 s"),)).is_red
    assert line(problem="Redis cannot be reached.").is_red
    assert line(manager_problem="The manager's worker does not run.").is_red


def test_the_line_is_calm_while_all_is_well_or_a_change_is_on_its_way() -> None:
    assert not line().is_red
    assert not line(routers=(router("success", "standby"),)).is_red
    assert not line(DIFFER, applying=True).is_red
    assert line(BOTH, applying=True).is_red


def test_the_worst_comes_first() -> None:
    found = line(LINK, routers=(router("success", "standby"),), manager_problem="The manager is away.")
    assert [item.level for item in found.items] == ["danger", "warning", "success"]


def test_more_alarms_than_three_are_counted() -> None:
    found = line(BOTH, DIFFER, LINK, Alarm("warning", "One."), Alarm("warning", "Two."))
    assert found.items[-1].text == "2 more to look at"
    assert len(found.items) == 4


def test_a_router_that_was_changed_outside_leads_to_its_difference() -> None:
    state = router("warning", f"standby, {dispatch.CHANGED_OUTSIDE}", is_outside=True)
    (item,) = line(routers=(state,)).items
    assert item.text == "r2: standby, its lvs.cf was changed outside"
    assert item.address == "/routers/5/outside"


def test_a_revision_that_waits_leads_to_its_page() -> None:
    revision = models.Revision(number=7)
    found = line(
        waiting=orders.Waiting(revision=revision, seconds_left=41.6, ends=timezone.now(), routers=())
    )
    assert found.items[0].text == "revision 7 waits for confirmation", "the bar below counts"
    assert found.items[0].address == "/history/7"
    assert found.is_red
    assert found.is_waiting
