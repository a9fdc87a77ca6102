"""The election's transition table: every row, and what holds whatever the facts are."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvs.pulse.election.failover import Stage
from lvs.pulse.election.table import TABLE, Facts, Row, row_for
from tests.unit.pulse.routers import (
    WAITING,
)


def test_every_word_of_the_table_is_a_fact_and_every_fact_is_used() -> None:
    words = {word for row in TABLE for word, _ in row.words}
    assert words == {field.name for field in fields(Facts)}


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.stages[0]}: {row.when}")
def test_every_row_is_reached(row: Row) -> None:
    said = {word: True for word, holds in row.words if holds}
    more = [{}, {"up": True}, {"fit": True}, {"primary": True}, {"taker": True}, {"expired": True}]
    reached = [row_for(row.stages[0], Facts(**{**said, **also})) for also in more if not _denied(row, also)]
    assert row in reached


def _denied(row: Row, also: dict[str, bool]) -> bool:
    return any(word in also for word, holds in row.words if not holds)


any_facts = st.builds(Facts, **{field.name: st.booleans() for field in fields(Facts)})


@given(any_facts, st.sampled_from(WAITING))
def test_a_router_that_is_not_ready_never_takes_over(facts: Facts, stage: Stage) -> None:
    row = row_for(stage, replace(facts, ready=False))
    assert row is None or row.to is Stage.STANDBY


@given(any_facts, st.sampled_from(WAITING))
def test_silence_alone_takes_nothing_from_a_machine_that_answers(facts: Facts, stage: Stage) -> None:
    nothing = {"gone": False, "active": False, "yielding": False, "standby": False, "idle": False}
    row = row_for(stage, replace(facts, witnessed=True, **nothing))
    assert row is None or row.to is Stage.STANDBY


@given(any_facts, st.sampled_from((Stage.ACTIVE, Stage.YIELDING)))
def test_nobody_who_is_of_use_stands_down_for_one_that_is_not_up(facts: Facts, stage: Stage) -> None:
    useful = {"cut_off": False, "late": False}
    row = row_for(stage, replace(facts, **useful, active=True, up=False))
    assert row is None or row.to is not Stage.STANDING_DOWN


@given(any_facts)
def test_a_router_that_hands_over_waits_for_one_that_is_fit_and_raises_its_addresses(facts: Facts) -> None:
    raising = {"active": True, "fit_there": True, "up": False, "yielding": False, "expired": False}
    row = row_for(Stage.YIELDING, replace(facts, **raising))
    assert row is not None
    assert row.to is None


@given(any_facts)
def test_of_two_active_routers_in_contact_the_outranked_one_stands_down(facts: Facts) -> None:
    row = row_for(Stage.ACTIVE, replace(facts, active=True, up=True, yielding=False, outranked=True))
    assert row is not None
    assert row.to is Stage.STANDING_DOWN


def test_the_words_of_piranha_are_kept() -> None:
    said = {row.reason for row in TABLE}
    assert {
        "partner dead: activating lvs",
        "partner active",
        "backup inactive",
        "primary inactive",
        "Local NIC link failure: Pulse disabled",
    } <= said
