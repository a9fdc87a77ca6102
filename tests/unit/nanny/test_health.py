"""The verdict over check results, row by row; and what holds of it whatever the results."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lvs.nanny import health
from lvs.nanny.health import Patience, Result, Verdict, adopted, patience
from lvs.router.state import Health

GOOD, BAD = "+", "-"


def judged(verdict: Verdict, results: str, given: Patience, start: int = 1) -> list[Verdict]:
    verdicts = []
    for second, sign in enumerate(results, start=start):
        reason = "connected" if sign == GOOD else "connect: refused"
        verdict = verdict.judge(Result(sign == GOOD, reason, 0.01, float(second)), given)
        verdicts.append(verdict)
    return verdicts


@pytest.mark.parametrize(
    ("results", "given", "expected"),
    [
        pytest.param("+", Patience(), "H", id="the first good check admits at once"),
        pytest.param(
            "+", Patience(returns=18), "H", id="the first good check admits at once, whatever re-entry says"
        ),
        pytest.param("-", Patience(), "F", id="the first bad check decides as well"),
        pytest.param(
            "-", Patience(failures=3), "F", id="the first bad check decides, whatever failures says"
        ),
        pytest.param(
            "-+", Patience(returns=5), "FH", id="one that never was in does not return but comes: at once"
        ),
        pytest.param("+-", Patience(), "HF", id="one failure puts out by default"),
        pytest.param(
            "+--", Patience(failures=2), "HHF", id="two failures in a row put out when two are asked for"
        ),
        pytest.param(
            "+-+-+-", Patience(failures=2), "HHHHHH", id="failures that are not in a row do not put out"
        ),
        pytest.param("+-+++", Patience(returns=3), "HFFFH", id="re-entry takes that many good checks"),
        pytest.param(
            "+-++-+++", Patience(returns=3), "HFFFFFFH", id="a failure meanwhile starts re-entry anew"
        ),
        pytest.param("+-+", Patience(returns=1), "HFH", id="re-entry of one returns at once"),
    ],
)
def test_the_verdict_follows_the_results(results: str, given: Patience, expected: str) -> None:
    letters = {Health.UNKNOWN: "U", Health.HEALTHY: "H", Health.FAILED: "F"}
    assert "".join(letters[verdict.health] for verdict in judged(Verdict(), results, given)) == expected


@pytest.mark.parametrize(
    ("timeout", "reentry", "returns"),
    [(10, 180, 18), (2, 10, 5), (10, 5, 1), (10, 0, 1), (3, 10, 4), (0.5, 1, 2)],
)
def test_reentry_is_rounded_up_to_whole_checks_and_is_at_least_one(
    timeout: float, reentry: float, returns: int
) -> None:
    assert patience(timeout=timeout, reentry=reentry, failures=1).returns == returns


def test_a_transition_notes_its_reason_and_when() -> None:
    up, down = judged(Verdict(), "+-", Patience())
    assert (up.reason, up.since) == ("connected", 1.0)
    assert (down.reason, down.since) == ("connect: refused", 2.0)


def test_without_a_transition_since_stays_and_the_last_check_is_known() -> None:
    last = judged(Verdict(), "+++", Patience())[-1]
    assert (last.since, last.checked_at) == (1.0, 3.0)


def test_the_reason_tells_how_far_a_change_has_come() -> None:
    assert judged(Verdict(), "+-", Patience(failures=3))[-1].reason == (
        "connect: refused (failed check 1 of 3 before it goes out)"
    )
    assert judged(Verdict(), "+-+", Patience(returns=3))[-1].reason == (
        "connected (good check 1 of 3 before it returns)"
    )


def test_an_adopted_real_server_is_healthy_until_a_check_says_otherwise() -> None:
    start = adopted(serving=True, at=0.5)
    assert start.health is Health.HEALTHY
    assert judged(start, "-", Patience(failures=2))[-1].health is Health.HEALTHY
    assert judged(start, "-", Patience())[-1].health is Health.FAILED


def test_a_real_server_found_quiesced_must_earn_its_return() -> None:
    healths = [
        verdict.health for verdict in judged(adopted(serving=False, at=0.5), "++", Patience(returns=2))
    ]
    assert healths == [Health.FAILED, Health.HEALTHY]


def test_what_was_found_in_the_table_did_not_come_up_and_what_a_check_admitted_did() -> None:
    assert not judged(adopted(serving=True, at=0.5), "+", Patience())[-1].came_up
    assert judged(adopted(serving=False, at=0.5), "+", Patience())[-1].came_up
    assert judged(Verdict(), "+", Patience())[-1].came_up
    assert judged(adopted(serving=True, at=0.5), "-+", Patience())[-1].came_up


def test_a_warning_stays_as_long_as_the_results_have_it() -> None:
    verdict = Verdict()
    for ok, warning in ((True, "certificate ends in 9 days"), (False, "late"), (True, "")):
        verdict = verdict.judge(Result(ok, "200", 0.01, 1.0, warning), Patience())
        assert verdict.warning == warning


@pytest.mark.parametrize(
    ("failures", "returns", "needed"),
    [
        (0, 18, 18),
        (2, 18, 18),
        (3, 18, 36),
        (4, 18, 72),
        (5, 18, 144),
        (6, 18, 144),
        (20, 18, 144),
        (2, 1, 1),
        (3, 1, 5),
        (4, 1, 5),
        (5, 1, 8),
    ],
)
def test_each_failure_of_one_that_flaps_doubles_what_its_return_takes_up_to_eight_times(
    failures: int, returns: int, needed: int
) -> None:
    assert Patience(returns=returns).returns_after(failures) == needed


def test_the_third_failure_within_the_window_makes_it_flap() -> None:
    given = Patience(returns=2)
    twice = judged(Verdict(), "+-++-", given)[-1]
    assert not twice.is_flapping(5.0)
    assert twice.reason == "connect: refused"
    thrice = judged(twice, "++-", given, start=6)[-1]
    assert thrice.is_flapping(8.0)
    assert thrice.reason == "connect: refused (flapping: 3 failures in 10 minutes)"
    returning = judged(thrice, "+++++", given, start=9)
    assert [verdict.health for verdict in returning] == [Health.FAILED] * 4 + [Health.HEALTHY]
    assert returning[1].reason == (
        "connected (good check 2 of 5 before it returns; flapping: 3 failures in 10 minutes)"
    )
    assert returning[-1].reason == "connected"
    assert returning[-1].is_flapping(13.0)


def test_one_that_flapped_is_forgiven_when_its_failures_are_old() -> None:
    given = Patience(returns=2, window=600.0)
    flapping = judged(Verdict(), "+-++-++-", given)[-1]
    assert flapping.failed == (2.0, 5.0, 8.0)
    assert flapping.is_flapping(601.9)
    assert not flapping.is_flapping(602.0)
    late = judged(flapping, "++", given, start=602)
    assert [verdict.health for verdict in late] == [Health.FAILED, Health.HEALTHY]
    assert late[0].reason == "connected (good check 1 of 2 before it returns)"


def test_failures_of_a_future_that_a_clock_set_back_has_left_do_not_count() -> None:
    flapping = judged(Verdict(), "+-+-+-", Patience(), start=10_000)[-1]
    assert flapping.is_flapping(10_006.0)
    after = judged(flapping, "+", Patience(), start=50)[-1]
    assert (after.health, after.failed) == (Health.HEALTHY, ())
    assert not after.is_flapping(50.0)


def test_only_so_many_failures_are_kept_and_the_words_say_so() -> None:
    given = Patience(returns=1, window=6000.0)
    last = judged(Verdict(), "+" + ("-" + "+" * 8) * 30 + "-", given)[-1]
    assert len(last.failed) == health.MOST_FAILURES
    assert last.reason == "connect: refused (flapping: 20 or more failures in 100 minutes)"


def test_the_window_is_ten_times_the_reentry_time_and_ten_minutes_at_least() -> None:
    assert patience(timeout=10, reentry=180, failures=1).window == 1800.0
    assert patience(timeout=10, reentry=0, failures=1).window == 600.0


RESULTS = st.lists(st.tuples(st.sampled_from(GOOD + GOOD + BAD), st.integers(1, 200)), max_size=60)
PATIENCES = st.builds(
    patience,
    timeout=st.integers(1, 20),
    reentry=st.integers(0, 60),
    failures=st.integers(1, 3),
)


def followed(results: list[tuple[str, int]], given: Patience, start: Verdict) -> list[Verdict]:
    """start and the verdicts after each result, which come that many seconds after one another."""
    verdicts, now = [start], 1.0
    for sign, seconds in results:
        now += seconds
        verdicts.append(verdicts[-1].judge(Result(sign == GOOD, sign, 0.01, now), given))
    return verdicts


@settings(max_examples=60, deadline=None)
@given(RESULTS, PATIENCES, st.sampled_from((Verdict(), adopted(serving=True, at=0.5))))
def test_a_transition_is_what_moves_since_and_nothing_else_does(
    results: list[tuple[str, int]], given: Patience, start: Verdict
) -> None:
    for before, after in pairwise(followed(results, given, start)):
        assert (after.health is not before.health) == (after.since != before.since)
        assert after.health is not Health.UNKNOWN
        if after.health is not before.health:
            assert after.since == after.checked_at
            assert after.streak == 0


@settings(max_examples=60, deadline=None)
@given(RESULTS, PATIENCES)
def test_a_return_takes_no_fewer_good_results_than_reentry_and_no_more_than_eight_times_as_many(
    results: list[tuple[str, int]], given: Patience
) -> None:
    good = 0
    for before, after in pairwise(followed(results, given, adopted(serving=True, at=0.5))):
        good = good + 1 if after.reason.startswith(GOOD) else 0
        if before.health is Health.FAILED and after.health is Health.HEALTHY:
            assert good >= given.returns_after(len(after.failed)) >= given.returns
        if after.health is Health.FAILED:
            assert good < 8 * given.returns


@settings(max_examples=60, deadline=None)
@given(RESULTS, PATIENCES)
def test_it_flaps_exactly_while_three_failures_or_more_lie_within_the_window(
    results: list[tuple[str, int]], given: Patience
) -> None:
    out: list[float] = []
    for before, after in pairwise(followed(results, given, Verdict())):
        now = after.checked_at or 0.0
        if before.health is Health.HEALTHY and after.health is Health.FAILED:
            out.append(now)
        recent = [at for at in out if at > now - given.window]
        assert after.is_flapping(now) == (len(recent) >= health.FLAPS)
        assert after.failed == tuple(recent[-health.MOST_FAILURES :])
        assert ("flapping" in after.reason) <= after.is_flapping(now)


@settings(max_examples=60, deadline=None)
@given(RESULTS, PATIENCES)
def test_it_goes_out_only_after_so_many_bad_results_in_a_row(
    results: list[tuple[str, int]], given: Patience
) -> None:
    bad = 0
    for before, after in pairwise(followed(results, given, adopted(serving=True, at=0.5))):
        bad = bad + 1 if after.reason.startswith(BAD) else 0
        if before.health is Health.HEALTHY:
            assert (after.health is Health.FAILED) == (bad >= given.failures)
