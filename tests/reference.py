"""The parts of the guide that are made from the program, for tests; they are no package."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs" / "_ext"


def module(name: str) -> ModuleType:
    """The module of that name in docs/_ext."""
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec
    assert spec.loader
    made = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(name, made)
    spec.loader.exec_module(made)
    return made


def build(folder: Path) -> Path:
    """Builds the guide below a folder, as `make guide` does; where it is then."""
    words = ["--fail-on-warning", "--keep-going", "--quiet", "--builder", "html"]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "sphinx",
            *words,
            "--doctree-dir",
            folder / "doctrees",
            "docs",
            folder / "html",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "html"


MAKERS = module("reference").MAKERS
_guide = module("piranha_guide")
HELP, ELSEWHERE = _guide.HELP, _guide.ELSEWHERE
