"""The guide's commands for routers and real servers, carried out as they stand on its pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.lab.machines import Lab
from tests.kernel.guide_scenes import DIRECT, PAIR, reading

pytestmark = pytest.mark.kernel


def test_a_pair_is_looked_at_switched_and_given_direct_routing_as_the_guide_says(
    lab: Lab, tmp_path: Path
) -> None:
    with reading(lab, tmp_path) as reader:
        reader.follow((*PAIR, *DIRECT))
