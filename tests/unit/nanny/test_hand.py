"""The administrator's orders: which one counts, how long, and what is taken from another router."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lvs.nanny import hand
from lvs.nanny.hand import Hand, Order

NOW = 1_700_000_000.0
NEW_DISK = Hand(
    virtual_server="shop",
    real_server="web1",
    order=Order.MAINTENANCE,
    at=NOW - 60,
    by="anna",
    reason="new disk",
    until=NOW + 1500,
)

HANDS = st.builds(
    Hand,
    virtual_server=st.sampled_from(("shop", "mail")),
    real_server=st.sampled_from(("web1", "web2")),
    order=st.sampled_from(Order),
    at=st.sampled_from((NOW - 2, NOW - 1, NOW)),
    by=st.sampled_from(("anna", "ben")),
    reason=st.sampled_from(("", "new disk")),
    until=st.sampled_from((None, NOW - 1, NOW + 60)),
)
ENTRIES = st.lists(HANDS, max_size=8).map(lambda hands: {each.names: each for each in hands})


def entries(*hands: Hand) -> dict[hand.Names, Hand]:
    return {each.names: each for each in hands}


@settings(max_examples=80, deadline=None)
@given(ENTRIES, ENTRIES, ENTRIES)
def test_routers_that_tell_each_other_all_they_have_end_with_the_same(one, two, three):
    assert hand.merged(one, two) == hand.merged(two, one)
    assert hand.merged(hand.merged(one, two), three) == hand.merged(one, hand.merged(two, three))
    assert hand.merged(one, one) == one
    assert hand.merged(hand.merged(one, two), two) == hand.merged(one, two)


@settings(max_examples=80, deadline=None)
@given(ENTRIES, ENTRIES)
def test_no_entry_gives_way_to_an_older_one(one, two):
    both = hand.merged(one, two)
    assert both.keys() == one.keys() | two.keys()
    assert all(
        each.at >= known[names].at for names, each in both.items() for known in (one, two) if names in known
    )


def test_merging_changes_neither_side():
    one, two = entries(NEW_DISK), entries(replace(NEW_DISK, at=NOW, order=Order.AUTO))
    assert hand.merged(one, two) == two
    assert one == entries(NEW_DISK)


@pytest.mark.parametrize(
    ("order", "until", "expected"),
    [
        (Order.AUTO, None, False),
        (Order.AUTO, NOW + 60, False),
        (Order.DRAIN, None, True),
        (Order.DRAIN, NOW - 60, True),
        (Order.MAINTENANCE, None, True),
        (Order.MAINTENANCE, NOW + 0.1, True),
        (Order.MAINTENANCE, NOW, False),
        (Order.UP, NOW - 1, False),
        (Order.UP, None, True),
        (Order.DOWN, NOW - 1, False),
        (Order.DOWN, NOW + 1, True),
    ],
)
def test_an_order_is_in_force_until_it_ends_and_a_drain_for_good(order, until, expected):
    one = replace(NEW_DISK, order=order, until=until)
    assert (hand.in_force(entries(one), NOW) == entries(one)) is expected
    assert one.in_force(NOW) is expected


@settings(max_examples=60, deadline=None)
@given(st.lists(HANDS, max_size=5), st.floats(NOW - 100_000, NOW + 100_000))
def test_a_new_order_is_dated_after_all_that_are_known_whatever_the_clock_says(known, at):
    made = hand.newer(at, known)
    assert made >= at
    assert all(made > each.at for each in known)
    assert hand.newer(NOW + 1, known) == NOW + 1


@settings(max_examples=80, deadline=None)
@given(HANDS)
def test_an_entry_comes_back_from_json_as_it_was(one):
    assert hand.from_wire(json.loads(json.dumps(hand.to_wire(one))), NOW) == one


def test_an_entry_is_told_in_the_fields_of_the_contract():
    assert hand.to_wire(NEW_DISK) == {
        "virtual_server": "shop",
        "real_server": "web1",
        "order": "maintenance",
        "at": NOW - 60,
        "by": "anna",
        "reason": "new disk",
        "until": NOW + 1500,
    }


def test_a_field_that_a_newer_version_adds_is_passed_over():
    assert hand.from_wire(hand.to_wire(NEW_DISK) | {"colour": "red"}, NOW) == NEW_DISK


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"order": "explode"}, "order is none of auto, drain, maintenance, up, down"),
        ({"order": None}, "order is none of"),
        ({"order": ["up"]}, "order is none of"),
        ({"virtual_server": ""}, "name"),
        ({"real_server": "web\n1"}, "name"),
        ({"real_server": "web\ud800"}, "name"),
        ({"real_server": 7}, "real_server must be a text"),
        ({"by": "a" * 201}, "by is 201 characters long"),
        ({"by": None}, "by must be a text"),
        ({"reason": "x\x1b[31m"}, "reason has characters"),
        ({"reason": "\u202edrow"}, "reason has characters"),
        ({"reason": "\ud800"}, "reason has characters"),
        ({"at": math.nan}, "seconds since the epoch"),
        ({"at": -1}, "seconds since the epoch"),
        ({"at": True}, "at must be a number"),
        ({"at": "soon"}, "at must be a number"),
        ({"at": 10**400}, "at must be seconds"),
        ({"at": NOW + 3601}, "dated 60 min ahead: set the routers' clocks"),
        ({"until": math.inf}, "seconds since the epoch"),
        ({"until": 1e308}, "more than ten years ahead: leave it out"),
        ({"until": "soon"}, "until must be a number"),
        ({"virtual_server": "ü" * 200, "real_server": "ü" * 200, "reason": "ü" * 200}, "shorten the reason"),
    ],
)
def test_what_is_not_to_be_acted_on_is_refused_with_its_reason(changed, said):
    with pytest.raises(ValueError, match=said):
        hand.from_wire(hand.to_wire(NEW_DISK) | changed, NOW)


@pytest.mark.parametrize("field", ["virtual_server", "real_server", "order", "at", "by", "reason", "until"])
def test_an_entry_that_lacks_a_field_is_refused(field):
    document = hand.to_wire(NEW_DISK)
    del document[field]
    with pytest.raises(ValueError, match=field):
        hand.from_wire(document, NOW)


@pytest.mark.parametrize("document", [None, [], "up", 7])
def test_what_is_no_object_is_no_entry(document):
    with pytest.raises(ValueError, match="object"):
        hand.from_wire(document, NOW)


def test_a_clock_that_is_a_little_ahead_is_borne():
    ahead = replace(NEW_DISK, at=NOW + 3599)
    assert hand.from_wire(hand.to_wire(ahead), NOW) == ahead


def test_an_order_of_ones_own_outlives_a_clock_that_is_set_right():
    ahead = replace(NEW_DISK, at=NOW + 86_400)
    assert hand.from_wire(hand.to_wire(ahead), NOW, own=True) == replace(NEW_DISK, at=NOW)
    assert hand.tidied(entries(ahead), NOW, {NEW_DISK.names}) == entries(replace(NEW_DISK, at=NOW))


def test_names_may_have_what_lvs_cf_allows():
    one = replace(
        NEW_DISK, virtual_server="shop\u00a0é [1]", real_server="web\t1", reason="neue\u00a0Platte ✓"
    )
    assert hand.from_wire(json.loads(json.dumps(hand.to_wire(one))), NOW) == one


@settings(max_examples=80, deadline=None)
@given(st.text(max_size=300))
def test_whatever_was_typed_can_be_made_to_fit(text):
    reason = hand.fitting(text)
    assert len(reason) <= hand.LONGEST_REASON
    assert hand.fitting(reason) == reason
    assert "characters" not in hand.refusal(replace(NEW_DISK, reason=reason), NOW)


def test_only_what_says_nothing_any_more_is_forgotten():
    old = NOW - hand.KEPT_SECONDS - 1
    drained = replace(NEW_DISK, real_server="drained", order=Order.DRAIN, at=old, until=None)
    auto = replace(NEW_DISK, real_server="auto", order=Order.AUTO, at=old, until=NOW)
    recent = replace(NEW_DISK, real_server="recent", order=Order.AUTO, at=NOW - 60)
    ended = replace(NEW_DISK, real_server="ended", at=old - 60, until=old)
    just_ended = replace(NEW_DISK, real_server="just ended", at=old, until=NOW - 60)
    gone = replace(drained, real_server="gone")
    just_gone = replace(drained, real_server="just gone", at=NOW - 60)
    known = entries(drained, auto, recent, ended, just_ended, gone, just_gone)
    configured = known.keys() - {gone.names, just_gone.names}
    assert hand.tidied(known, NOW, configured) == entries(drained, recent, just_ended, just_gone)


def test_of_too_many_entries_those_in_force_and_the_newest_are_kept(monkeypatch):
    monkeypatch.setattr(hand, "MOST_ENTRIES", 2)
    drained = replace(NEW_DISK, real_server="drained", order=Order.DRAIN, at=NOW - 900)
    older = replace(NEW_DISK, real_server="older", order=Order.AUTO, at=NOW - 60)
    newest = replace(NEW_DISK, real_server="newest", order=Order.AUTO, at=NOW - 30)
    known = entries(drained, older, newest)
    assert hand.tidied(known, NOW, known.keys()) == entries(drained, newest)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, "in maintenance by anna, 25 min left: new disk"),
        ({"until": None}, "in maintenance by anna: new disk"),
        ({"until": NOW - 7200}, "left to its checks, in maintenance by anna until 2 h ago: new disk"),
        ({"order": Order.AUTO}, "left to its checks by anna: new disk"),
        ({"order": Order.DRAIN}, "draining by anna, out in 25 min at the latest: new disk"),
        ({"order": Order.DRAIN, "until": None, "by": "", "reason": ""}, "draining"),
        ({"order": Order.DRAIN, "until": NOW - 1}, "drained by anna: new disk"),
        ({"order": Order.UP, "until": NOW + 30, "reason": ""}, "forced up by anna, 30 s left"),
        ({"order": Order.DOWN, "until": NOW + 3 * 86_400}, "forced down by anna, 3 d left: new disk"),
    ],
)
def test_an_entry_reads_as_a_sentence(changed, said):
    assert hand.sentence(replace(NEW_DISK, **changed), NOW) == said
