"""What the packages say of licences, and who answers for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.deb.build import OVERRIDES, maintainer
from deploy.deb.contents import PACKAGES, PROJECT
from deploy.deb.licences import copyright_of, of_python, of_sphinx, of_vendored
from deploy.deb.wheels import prune, tops

AT = "usr/lib/x"
METADATA = "Metadata-Version: 2.1\nName: {}\nVersion: 1\nAuthor: Ann\n{}\n\nLicense: not this\n"
MIT = "The MIT License\n\n Copyright (c) 2019-2024, Bob & friends.\nCOPYRIGHT HOLDERS BE LIABLE\n"


def unpacked(site: Path, name: str, about: str, files: dict[str, str]) -> None:
    """A package as pip leaves it."""
    folder = f"{name}-1.dist-info"
    everything = {f"{folder}/METADATA": METADATA.format(name, about), **files}
    for path, text in everything.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(text, encoding="utf-8")
    rows = [*everything, f"{folder}/RECORD", "../../bin/tool", f"__pycache__/{name}.cpython-311.pyc"]
    (site / folder / "RECORD").write_text("".join(f'"{row}",sha256=x,1\n' for row in rows))


@pytest.fixture
def site(tmp_path: Path) -> Path:
    licence = "a-1.dist-info/licenses/LICENSE.txt"
    unpacked(tmp_path, "a", "License-Expression: MIT OR Apache-2.0", {"a/x.py": "", licence: MIT})
    more = {"_b.so": "", "b/__init__.py": "", "b.libs/libz-1.so": "", "b.libs/libq-1.so": ""}
    unpacked(tmp_path, "b", "License: Dual License\nClassifier: License :: OSI Approved :: BSD License", more)
    return tmp_path


def test_each_python_package_has_its_paragraph_with_its_files_holders_and_licence(site: Path):
    brought = tops(site)
    prune(site)
    first, second = of_python(site, AT, brought)
    assert first.stanza().splitlines() == [
        f"Files: {AT}/a/* {AT}/a-1.dist-info/*",
        "Copyright: 2019-2024, Bob & friends.",
        "License: MIT or Apache-2.0",
        " The licence of a is in",
        f" /{AT}/a-1.dist-info/licenses/LICENSE.txt",
    ]
    assert second.stanza().splitlines() == [
        f"Files: {AT}/_b.so {AT}/b/* {AT}/b.libs/* {AT}/b-1.dist-info/*",
        "Copyright: Ann",
        "License: BSD-License",
        " The licence of b is in",
        f" /{AT}/b-1.dist-info/METADATA",
        "Comment: With it came these libraries, each under the licence of its own makers:",
        " libq-1.so",
        " libz-1.so",
    ]


def test_the_whole_says_plainly_that_the_project_itself_states_none(site: Path):
    text = copyright_of(of_python(site, AT, tops(site)), 2031)
    assert "Files: *\nCopyright: 2031 The authors of Piranha Web\nLicense: none-stated\n" in text
    assert "ask its authors" in text
    assert text.count("\n\nFiles: ") == 3
    assert "the project's own" in copyright_of((), 2031)
    assert not [path for path in PROJECT.iterdir() if path.name.upper().startswith(("LICEN", "COPYING"))]


def test_what_is_vendored_for_the_pages_is_named_with_its_licence():
    found = {one.name.rpartition("-")[0]: one for one in of_vendored(PROJECT / "static/vendor", AT)}
    assert {name: one.licence for name, one in found.items()} == {
        "bootstrap": "MIT", "htmx": "0BSD", "uplot": "MIT",
    }  # fmt: skip
    assert "Bootstrap" in found["bootstrap"].holders[0]
    assert found["htmx"].holders == ("The authors of htmx",)


def test_of_the_guide_only_what_came_with_sphinx_is_sphinxs(tmp_path: Path):
    for name in ("doctools.js", "basic.css", "guide.css"):
        (tmp_path / name).touch()
    (piece,) = of_sphinx(tmp_path, AT)
    assert piece.files == (f"{AT}/basic.css", f"{AT}/doctools.js", f"{AT}/LICENSE.sphinx")
    assert "Sphinx" in piece.holders[0]
    assert "licen" in (tmp_path / "LICENSE.sphinx").read_text(encoding="utf-8").lower()


def test_who_builds_for_others_gives_an_address_and_no_odd_one_is_taken():
    assert maintainer({}) == "Piranha Web <piranha@localhost>"
    mine = {"DEBFULLNAME": "Ann O'Ne", "DEBEMAIL": "ann@one.net"}
    assert maintainer(mine) == "Ann O'Ne <ann@one.net>"
    for odd in ({"DEBEMAIL": "ann"}, {"DEBEMAIL": "a@b\nEssential: yes"}, {"DEBFULLNAME": "a <b@c>"}):
        with pytest.raises(RuntimeError, match="DEBEMAIL="):
            maintainer(mine | odd)


def test_every_override_for_lintian_is_of_its_package_and_has_a_reason_above():
    for package in PACKAGES:
        lines = (OVERRIDES / package.name).read_text(encoding="utf-8").splitlines()
        assert lines[0].startswith("# ")
        assert all(line.startswith(("# ", f"{package.name}: ")) for line in lines)
