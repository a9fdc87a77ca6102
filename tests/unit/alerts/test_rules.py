"""When a message goes out, as a table: what is seen at which second, and what is told then."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from piranha_web.alerts.rules import CALM, FLAPS, KINDS, WINDOW, Condition, Open, Policy, Seen, Word, step

OUT = Condition("servers_out", "shop", "1 of 2 real servers of shop are out.", "lab", "servers lab")
DOWN = Condition("service_down", "shop down", "No real server serves shop.", "lab", "servers lab")
FAILOVER = Condition("failover", "failover", "r2 is active now.", "lab")
UNKNOWN = Seen(unknown=frozenset({"servers lab"}))
NOTHING = Seen()
IT = Seen(conditions=(OUT,))
HOUR = 3600.0


class Watched:
    """The rules over time."""

    def __init__(self, policy: Policy | None = None) -> None:
        self.state: dict[str, Open] = {}
        self.policy = policy or Policy()

    def at(self, now: float, seen: Seen) -> list[str]:
        """What is told at that second: the words, with how long it lasted."""
        self.state, messages = step(self.state, seen, self.policy, now)
        return [f"{one.word} {one.kind} {one.lasted:.0f}" for one in messages]


@pytest.mark.parametrize(
    ("name", "story"),
    [
        (
            "what holds long enough is told once, and its end once",
            [
                (0, IT, []),
                (59, IT, []),
                (60, IT, ["begins servers_out 60"]),
                (65, IT, []),
                (300, NOTHING, []),
                (300 + CALM, NOTHING, ["is over servers_out 300"]),
                (400, NOTHING, []),
            ],
        ),
        (
            "a clock that is set back makes nothing wait for a moment that has passed by it",
            [
                (9_000_000, IT, []),
                (1000, IT, []),
                (1059, IT, []),
                (1060, IT, ["begins servers_out 60"]),
                (9_000_100, IT, ["goes on servers_out 8999100"]),
                (2000, IT, []),
                (2000 + 4 * HOUR, IT, ["goes on servers_out 15400"]),
                (9_000_200, NOTHING, []),
                (20_000, NOTHING, []),
                (20_000 + CALM, NOTHING, ["is over servers_out 19000"]),
            ],
        ),
        (
            "what is gone before its time is never told",
            [(0, IT, []), (50, NOTHING, []), (100, NOTHING, []), (5000, NOTHING, [])],
        ),
        (
            "what is gone for less than a moment has not ended",
            [
                (0, IT, []),
                (60, IT, ["begins servers_out 60"]),
                (70, NOTHING, []),
                (75, IT, []),
                (500, IT, []),
            ],
        ),
        (
            "what goes on is told again every four hours",
            [
                (0, IT, []),
                (60, IT, ["begins servers_out 60"]),
                (60 + 4 * HOUR - 1, IT, []),
                (60 + 4 * HOUR, IT, ["goes on servers_out 14460"]),
                (60 + 5 * HOUR, IT, []),
                (60 + 8 * HOUR, IT, ["goes on servers_out 28860"]),
            ],
        ),
        (
            "not knowing is neither a beginning nor an end",
            [
                (0, IT, []),
                (60, IT, ["begins servers_out 60"]),
                (100, UNKNOWN, []),
                (5000, UNKNOWN, []),
                (5001, IT, []),
                (5002, NOTHING, []),
                (5002 + CALM, NOTHING, ["is over servers_out 5002"]),
            ],
        ),
        (
            "an event is told at once, and has no end",
            [(0, Seen(events=(FAILOVER,)), ["happened failover 0"]), (5, NOTHING, []), (900, NOTHING, [])],
        ),
        (
            "two things are told apart",
            [
                (0, Seen(conditions=(OUT, DOWN)), []),
                (5, Seen(conditions=(OUT, DOWN)), ["begins service_down 5"]),
                (60, Seen(conditions=(OUT, DOWN)), ["begins servers_out 60"]),
                (70, IT, []),
                (80, IT, ["is over service_down 70"]),
            ],
        ),
        (
            "what ended and begins again is told again",
            [
                (0, IT, []),
                (60, IT, ["begins servers_out 60"]),
                (70, NOTHING, []),
                (80, NOTHING, ["is over servers_out 70"]),
                (2000, IT, []),
                (2060, IT, ["begins servers_out 60"]),
            ],
        ),
    ],
)
def test_the_story(name: str, story: list[tuple[float, Seen, list[str]]]) -> None:
    watched = Watched()
    for now, seen, told in story:
        assert watched.at(now, seen) == told, f"{name}: at {now}"


def flapping(watched: Watched, times: int, every: float = 30.0, begin: float = 0.0) -> list[str]:
    """It comes and goes that often; what was told."""
    told: list[str] = []
    for turn in range(times):
        told += watched.at(begin + turn * every, IT)
        told += watched.at(begin + turn * every + every / 2, NOTHING)
    return told


def test_what_comes_and_goes_is_summed_up_in_one_message() -> None:
    watched = Watched()

    told = flapping(watched, 20)

    assert [one.split(" servers")[0] for one in told] == ["comes and goes"]


def test_after_flapping_the_end_is_told_when_it_has_stayed_away() -> None:
    watched = Watched()
    flapping(watched, FLAPS)
    last = (FLAPS - 1) * 30.0 + 15

    assert watched.at(last + WINDOW - 1, NOTHING) == []
    assert [one[:7] for one in watched.at(last + WINDOW, NOTHING)] == ["is over"]
    assert watched.at(last + 3 * WINDOW, NOTHING) == []
    assert watched.state == {}


def test_after_flapping_it_is_told_that_it_stays() -> None:
    watched = Watched()
    flapping(watched, FLAPS)

    last = FLAPS * 30.0
    assert watched.at(last, IT) == []
    assert watched.at(last + WINDOW - 1, IT) == []
    assert [one[:7] for one in watched.at(last + WINDOW, IT)] == ["goes on"]


def test_while_it_is_quiet_nothing_is_told_and_afterwards_what_still_holds() -> None:
    watched = Watched(Policy(quiet_until=1000))

    assert watched.at(0, IT) == []
    assert watched.at(500, IT) == []
    assert watched.at(500, Seen(conditions=(OUT,), events=(FAILOVER,))) == []
    assert watched.at(1000, IT) == ["begins servers_out 1000"]


def test_what_began_and_ended_while_it_was_quiet_is_not_told_at_all() -> None:
    watched = Watched(Policy(quiet_until=1000))
    watched.at(0, IT)
    watched.at(500, NOTHING)

    assert watched.at(1001, NOTHING) == []


def test_the_end_of_what_was_told_before_is_told_after_the_quiet() -> None:
    watched = Watched()
    watched.at(0, IT)
    watched.at(60, IT)
    watched.policy = Policy(quiet_until=1000)

    assert watched.at(500, NOTHING) == []
    assert watched.at(800, NOTHING) == []
    assert watched.at(1000, NOTHING) == ["is over servers_out 500"]


def test_quiet_of_one_cluster_leaves_the_others_loud() -> None:
    other = replace(OUT, key="mail", cluster="other")
    watched = Watched(Policy(quiet_until=1000, quiet_cluster="lab"))
    seen = Seen(conditions=(OUT, other))

    watched.at(0, seen)

    assert watched.at(60, seen) == ["begins servers_out 60"]
    assert watched.state["mail"].is_told
    assert not watched.state["shop"].is_told


def test_a_kind_that_is_switched_off_is_not_told_and_forgotten() -> None:
    watched = Watched()
    watched.at(0, IT)
    watched.at(60, IT)
    watched.policy = Policy(off=frozenset({"servers_out", "failover"}))

    assert watched.at(61, Seen(conditions=(OUT,), events=(FAILOVER,))) == []
    assert watched.state == {}
    assert watched.at(500, NOTHING) == []


def test_how_long_real_servers_must_be_out_can_be_chosen() -> None:
    watched = Watched(Policy(servers_after=5))
    watched.at(0, IT)

    assert watched.at(5, IT) == ["begins servers_out 5"]


def test_the_sentence_is_the_newest_one() -> None:
    watched = Watched()
    watched.at(0, IT)

    watched.at(5, Seen(conditions=(replace(OUT, sentence="2 of 2 are out."),)))

    assert watched.state["shop"].sentence == "2 of 2 are out."


def test_a_state_of_a_kind_that_is_known_no_more_is_forgotten() -> None:
    old = Open(key="x", kind="gone", scope="site", cluster="", sentence="", began=0.0, told=0.0)

    after, messages = step({"x": old}, NOTHING, Policy(), 5.0)

    assert (after, messages) == ({}, [])


def words_of(messages: Iterable[str]) -> list[str]:
    return [one.partition(" ")[0] for one in messages]


def test_the_state_alone_decides_so_that_a_restart_tells_nothing_twice() -> None:
    first = Watched()
    first.at(0, IT)
    assert words_of(first.at(60, IT)) == [Word.BEGINS]

    second = Watched()
    second.state = dict(first.state)

    assert second.at(65, IT) == []
    second.at(70, NOTHING)
    assert second.at(80, NOTHING) == ["is over servers_out 70"]


def test_each_kind_has_a_level_and_words() -> None:
    for name, kind in KINDS.items():
        assert kind.level in ("danger", "warning"), name
        assert kind.says[0].isupper(), name
        assert not (kind.is_event and kind.after), name
