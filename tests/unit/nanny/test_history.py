"""The last results of a check as runs of equal ones."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from lvs.nanny.health import Result
from lvs.nanny.history import MOST_RUNS, History, Run


def history_of(*results: Result) -> History:
    history = History()
    for result in results:
        history.add(result)
    return history


def test_equal_results_are_one_run_however_long_each_took() -> None:
    history = history_of(
        Result(True, "connected", 0.1, 10.0),
        Result(True, "connected", 0.3, 12.0),
        Result(True, "connected", 0.2, 14.0, warning="certificate ends in 9 days"),
    )
    assert history.runs() == (Run(True, "connected", 10.0, 14.0, 3, 0.3),)


def test_another_outcome_or_another_reason_begins_a_run_and_the_newest_is_first() -> None:
    history = history_of(
        Result(True, "connected", 0.1, 10.0),
        Result(False, "connect: refused", 0.0, 12.0),
        Result(False, "connect: no answer within 2 s", 2.0, 16.0),
    )
    assert [(run.reason, run.first) for run in history.runs()] == [
        ("connect: no answer within 2 s", 16.0),
        ("connect: refused", 12.0),
        ("connected", 10.0),
    ]


@settings(max_examples=30)
@given(st.lists(st.tuples(st.booleans(), st.sampled_from(["a", "b"])), max_size=60))
def test_only_the_last_runs_are_kept_and_neighbours_differ(found: list[tuple[bool, str]]) -> None:
    runs = history_of(*(Result(ok, reason, 0.0, float(at)) for at, (ok, reason) in enumerate(found))).runs()
    assert len(runs) <= MOST_RUNS
    told = [(run.ok, run.reason) for run in runs]
    assert all(one != other for one, other in pairwise(told))
    spelled = [(run.ok, run.reason) for run in reversed(runs) for _ in range(run.count)]
    assert spelled == found[len(found) - len(spelled) :]
