"""The parts of the guide that are made from the program, for tests; they are no package."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

FOLDER = Path(__file__).parent.parent / "docs" / "_ext"


def module(name: str) -> ModuleType:
    """The module of that name in docs/_ext."""
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec
    assert spec.loader
    made = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(name, made)
    spec.loader.exec_module(made)
    return made


MAKERS = module("reference").MAKERS
_guide = module("piranha_guide")
HELP, ELSEWHERE = _guide.HELP, _guide.ELSEWHERE
