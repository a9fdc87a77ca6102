"""When somebody who guesses has to wait, from what was counted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from piranha_web.access.failures import (
    WINDOW,
    Failures,
    Kind,
    every_lock,
    in_words,
    locks,
    network_of,
    wait_in_words,
)

NOW = datetime(2030, 1, 1, 3, 0, tzinfo=UTC)
HERE, THERE = "192.0.2.1", "192.0.2.2"
MINUTE = timedelta(minutes=1)


def failures(name: str, network: str, times: int, minutes_ago: float = 1) -> Failures:
    return Failures(name, network, times, NOW - minutes_ago * MINUTE)


def kinds(found: list[Failures], name: str, network: str, known: frozenset[str] = frozenset()) -> set[Kind]:
    return set(locks(found, name, network, known, NOW))


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:DB8:1:2::", "2001:db8:1:2::"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::"),
        ("::1", "::"),
        ("", ""),
        ("unix:", ""),
        ("192.0.2.1/24", ""),
    ],
)
def test_ipv4_counts_by_the_address_and_ipv6_by_its_64(address: str, network: str) -> None:
    assert network_of(address) == network


def test_a_network_is_written_with_its_length_where_it_is_more_than_an_address() -> None:
    assert in_words("2001:db8::") == "2001:db8::/64"
    assert in_words(HERE) == HERE


def test_ten_failures_for_one_name_from_one_network_lock_these_two_and_nothing_else() -> None:
    found = [failures("anna", HERE, 10)]

    assert kinds(found, "anna", HERE) == {Kind.PAIR}
    assert kinds(found, "anna", THERE) == set()
    assert kinds(found, "bob", HERE) == set()
    assert kinds([failures("anna", HERE, 9)], "anna", HERE) == set()


def test_whoever_tries_many_names_from_one_network_locks_the_network() -> None:
    found = [failures(f"name{number}", HERE, 3) for number in range(10)]

    assert kinds(found, "somebody else", HERE) == {Kind.NETWORK}
    assert kinds(found, "name1", THERE) == set()


def test_whoever_tries_one_name_from_many_networks_locks_it_save_where_its_owner_is_known() -> None:
    found = [failures("anna", f"198.51.100.{number}", 6) for number in range(10)]

    assert kinds(found, "anna", HERE) == {Kind.NAME}
    assert kinds(found, "anna", HERE, frozenset({HERE})) == set()
    assert kinds(found, "bob", HERE) == set()


def test_failures_from_known_networks_do_not_lock_a_name_elsewhere() -> None:
    known = frozenset(f"198.51.100.{number}" for number in range(10))
    found = [failures("anna", network, 9) for network in known]

    assert kinds(found, "anna", HERE, known) == set()


def test_no_name_is_locked_as_a_name() -> None:
    assert kinds([failures("", f"198.51.100.{number}", 9) for number in range(20)], "", HERE) == set()


def test_what_is_older_than_the_window_does_not_count() -> None:
    assert kinds([failures("anna", HERE, 10, 15)], "anna", HERE) == set()
    assert kinds([failures("anna", HERE, 10, 14.9)], "anna", HERE) == {Kind.PAIR}


def test_a_lock_ends_when_enough_of_its_failures_are_too_old() -> None:
    found = [failures("a", HERE, 12, 9), failures("b", HERE, 12, 5), failures("c", HERE, 12, 2)]

    lock = locks(found, "d", HERE, (), NOW)[Kind.NETWORK]

    assert (lock.times, lock.name, lock.network) == (36, "", HERE)
    assert lock.since == NOW - 2 * MINUTE  # with the third name it came to 30
    assert lock.until == NOW - 9 * MINUTE + WINDOW  # without the first it is 24
    later = lock.until
    assert locks(found, "d", HERE, (), later) == {}
    assert Kind.NETWORK in locks(found, "d", HERE, (), later - timedelta(seconds=1))


def test_every_lock_is_listed_once_and_those_that_end_last_come_first() -> None:
    found = [
        failures("anna", HERE, 10, 3),
        *(failures(f"name{number}", THERE, 10, 2) for number in range(3)),
        *(failures("carl", f"198.51.100.{number}", 6, 1) for number in range(10)),
    ]

    listed = every_lock(found, {"carl": {"198.51.100.77"}}, NOW)

    assert [(one.kind, one.name, one.network) for one in listed] == [
        (Kind.NAME, "carl", ""),
        *((Kind.PAIR, f"name{number}", THERE) for number in (2, 1, 0)),
        (Kind.NETWORK, "", THERE),
        (Kind.PAIR, "anna", HERE),
    ]
    assert (
        every_lock(found, {"carl": {f"198.51.100.{number}" for number in range(10)}}, NOW)[0].name != "carl"
    )
    assert every_lock(found, {}, NOW + WINDOW) == []


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "1 second"),
        (0.2, "1 second"),
        (1, "1 second"),
        (59.5, "60 seconds"),
        (61, "2 minutes"),
        (600, "10 minutes"),
        (899, "15 minutes"),
    ],
)
def test_a_wait_is_said_in_whole_minutes_and_never_too_short(seconds: float, words: str) -> None:
    assert wait_in_words(NOW + timedelta(seconds=seconds), NOW) == words
