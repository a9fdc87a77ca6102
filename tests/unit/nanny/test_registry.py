"""Which probe carries out which kind of check."""

from __future__ import annotations

import asyncio

from lvs.nanny.checks import Kind
from lvs.nanny.probes import registry
from lvs.nanny.probes.finding import Finding
from tests.unit.nanny.probing import probe, to_check


def test_every_kind_of_check_has_its_probe() -> None:
    assert set(registry.PROBES) == set(Kind)


def test_what_is_not_checked_is_healthy_and_says_so() -> None:
    assert asyncio.run(probe(to_check(0, kind=Kind.NONE))) == Finding(True, "not checked")
