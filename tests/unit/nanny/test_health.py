"""The verdict over check results, row by row."""

from __future__ import annotations

import pytest

from lvs.nanny.health import Patience, Result, Verdict, adopted, patience
from lvs.router.state import Health

GOOD, BAD = "+", "-"


def judged(verdict: Verdict, results: str, given: Patience) -> list[Verdict]:
    verdicts = []
    for second, sign in enumerate(results, start=1):
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
