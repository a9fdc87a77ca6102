"""What README has people type in a clone of the sources: carried out by test_readme_followed.py."""

from __future__ import annotations

from tests.packages.follow import Hand, Step

SERVE = Step(page="README.md", heading="Two commands", only=("make run",))
SCENES: dict[str, tuple[Step | Hand, ...]] = {"SERVE": (SERVE,)}
