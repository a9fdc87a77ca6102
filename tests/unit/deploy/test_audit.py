"""Whether what this tool is installed with has known vulnerabilities; what is said when nobody can tell."""

from __future__ import annotations

import json
from typing import Any

import pytest

from deploy.audit import FINE, KNOWN, NOT_LOOKED_UP, Ran, main

CLEAN = {"name": "django", "version": "5.2.9", "vulns": []}
BAD = {"name": "redis", "version": "1.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1", "2.0"]}]}
HOPELESS = {"name": "h11", "version": "0.1", "vulns": [{"id": "GHSA-2", "fix_versions": []}]}
SKIPPED = {"name": "amqp", "skip_reason": "Dependency not found on PyPI"}


def said(*packages: dict[str, Any]) -> Ran:
    return Ran(json.dumps({"dependencies": packages, "fixes": []}), "")


def test_all_is_well_when_every_package_was_looked_up(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["a.lock"], lambda _lock: said(CLEAN)) == FINE

    assert capsys.readouterr().out == "a.lock: nothing is known against any of its 1 packages\n"


def test_what_is_known_is_named_with_the_version_that_mends_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["a.lock"], lambda _lock: said(CLEAN, BAD, HOPELESS)) == KNOWN

    out = capsys.readouterr().out
    assert "redis 1.0: PYSEC-1, mended in 1.1 or 2.0" in out
    assert "h11 0.1: GHSA-2, mended in no version yet" in out


def test_packages_that_were_skipped_are_not_clean(capsys: pytest.CaptureFixture[str]) -> None:
    others = [SKIPPED | {"name": f"p{number}"} for number in range(6)]

    assert main(["a.lock"], lambda _lock: said(CLEAN, SKIPPED, *others)) == NOT_LOOKED_UP

    assert (
        "7 of 8 packages could not be looked up (amqp, p0, p1, p2, p3 and 2 more)" in capsys.readouterr().out
    )


@pytest.mark.parametrize("output", ["", "Traceback", "[]", "{}", '{"dependencies": [7]}'])
def test_where_pip_audit_fails_nothing_is_said_to_be_clean(
    capsys: pytest.CaptureFixture[str], output: str
) -> None:
    assert main(["a.lock"], lambda _lock: Ran(output, "one\nno route to host\n")) == NOT_LOOKED_UP

    assert capsys.readouterr().out == "a.lock: could not be looked up: no route to host\n"


def test_of_several_locks_the_worst_counts(capsys: pytest.CaptureFixture[str]) -> None:
    answers = {"a": said(CLEAN), "b": said(SKIPPED), "c": said(BAD)}

    assert main(["a", "b", "c"], answers.__getitem__) == KNOWN
    assert main(["a", "b"], answers.__getitem__) == NOT_LOOKED_UP
    assert len(capsys.readouterr().out.splitlines()) == 5
