"""How virtual servers stand, and what a report sums up of them."""

from __future__ import annotations

from typing import Any

import pytest

from lvs.reported.standing import WORST_FIRST, Standing, standing_of
from lvs.reported.summary import chosen, kept, states_document, summed_up
from tests.web.reports import hand, real_server, shop_with

HEALTHY = real_server("a", "10.0.0.1")
FAILED = real_server("b", "10.0.0.2", "failed", "connect: refused")


def part(*real_servers: dict[str, Any], **changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = shop_with(*real_servers, **changes)["virtual_servers"][0]
    return found


@pytest.mark.parametrize(
    ("of", "state", "counts", "rows"),
    [
        (part(HEALTHY), "in_service", {"healthy": 1}, 0),
        (part(HEALTHY, FAILED), "in_service", {"healthy": 1, "failed": 1}, 1),
        (part(FAILED), "unserved", {"failed": 1}, 2),
        (part(), "unserved", {}, 1),
        (part(FAILED, sorry_server={"weight": 1}), "on_sorry", {"failed": 1}, 2),
        (part(HEALTHY, in_kernel=False), "inactive", {"healthy": 1}, 0),
        (part({**FAILED, "weight": 1, "protected": True}), "in_service", {"protected": 1}, 2),
        (part({**HEALTHY, "flapping": True}), "in_service", {"healthy": 1, "flapping": 1, "uneasy": 1}, 1),
        (
            part({**FAILED, "flapping": True}, HEALTHY),
            "in_service",
            {"healthy": 1, "failed": 1, "flapping": 1},
            1,
        ),
        (part({**HEALTHY, "warning": "soon"}), "in_service", {"healthy": 1, "warning": 1, "uneasy": 1}, 1),
        (part({**HEALTHY, "hand": hand("maintenance")}), "in_service", {"maintenance": 1}, 1),
        (part(HEALTHY, departing=[{}]), "in_service", {"healthy": 1, "departing": 1}, 1),
    ],
)
def test_a_virtual_server_stands_as_its_real_servers_do(
    of: dict[str, Any], state: str, counts: dict[str, int], rows: int
):
    standing = standing_of(of)
    assert (standing.state, standing.counts) == (state, counts)
    assert standing.rows == rows
    assert (standing.rank == len(WORST_FIRST)) == (rows == 0)


def test_a_report_tells_of_all_that_stand_in_it_in_their_order():
    standings = {name: Standing("in_service", {"healthy": 10}) for name in ("c", "a", "b")}
    assert chosen(standings, 30) == ["c", "a", "b"]


def test_a_report_that_cannot_tell_of_all_tells_of_the_worst_first():
    standings = {name: Standing("in_service", {"healthy": 10}) for name in "abcdef"}
    standings["d"] = Standing("unserved", {"failed": 10})
    standings["f"] = Standing("in_service", {"healthy": 9, "failed": 1})
    assert chosen(standings, 30, 30) == ["d", "f", "a"]
    assert chosen(standings, 30, 5) == ["d"], "one at least"


def test_the_summary_counts_all_and_says_what_it_does_not_know_yet():
    standings = {
        "a": Standing("in_service", {"healthy": 9, "failed": 1, "flapping": 1}),
        "b": Standing("unserved", {}),
    }
    assert summed_up(standings, 1, 3) == {
        "virtual_servers": 3,
        "real_servers": 10,
        "whole": False,
        "unread": 1,
        "counts": {"healthy": 9, "failed": 1, "flapping": 1},
        "services": {"in_service": 1, "unserved": 1},
        "attention": 2,
    }
    assert list(states_document(standings)) == ["a", "b"]


def test_what_is_kept_of_a_part_does_not_change_with_every_check():
    one, other = part({**HEALTHY, "checked_at": 1.0}), part({**HEALTHY, "checked_at": 2.0})
    assert kept(one)["real_servers"] == kept(other)["real_servers"]
    assert one["real_servers"][0]["checked_at"] == 1.0
