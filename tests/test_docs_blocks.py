"""The blocks of the guide are what they say, and a scene carries each command out, or it is said why not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.kernel import guide_scenes as in_the_lab
from tests.packages import guide_scenes as installed
from tests.packages import readme_scenes as cloned
from tests.packages.follow import carried_out
from tests.packages.manual import PROJECT, blocks, fill, pages, without_remark

KNOWN = {"console", "text", "lvs", "ini", "json", "yaml", "{help}", "{drawing}", "{generated}", "{toctree}"}

# The tables of scenes, and the test that carries each of them out.
TABLES = {
    "tests/packages/test_guide_followed.py": installed.SCENES,
    "tests/packages/test_readme_followed.py": cloned.SCENES,
    "tests/kernel/test_guide_followed.py": in_the_lab.SCENES,
    "tests/kernel/test_ftp.py": {"FTP": in_the_lab.FTP},
}
# Page, heading and command; why no scene carries it out.
NOT_CARRIED_OUT = {
    ("README.md", "Two commands", "make test"): "it is all tests, this one among them",
    ("docs/lab.md", "Tests in a guest",
     "deploy/lab/guest uml -- .venv/bin/pytest tests/kernel -p no:cacheprovider"): "a lane of make test",
    ("docs/lab.md", "Tests in a guest",
     "deploy/lab/guest vm -- .venv/bin/pytest tests/kernel -p no:cacheprovider -m nft"): "likewise",
}  # fmt: skip
DONE = {one for scenes in TABLES.values() for one in carried_out(scenes.values())}
WRITTEN = {
    (page, block.heading, command)
    for page in pages()
    for block in blocks(page)
    if block.language == "console"
    for command in block.commands
}


@pytest.mark.parametrize("page", pages())
def test_every_block_of_a_page_says_what_it_is_and_those_to_be_typed_have_commands_alone(page: str) -> None:
    for block in blocks(page):
        assert block.language in KNOWN, f"{block}: say console, text, lvs …"
        for command in block.commands if block.language == "console" else ():
            assert not re.match(r"[$#>] |sudo ", command), (
                f"{block}: no prompt, and not every Debian has sudo"
            )
            assert not re.search(r"[…\[]", command), f"{block}: {command} cannot be typed"
            assert "   " not in command, f"{block}: what explains a command stands behind a #: {command}"


@pytest.mark.parametrize("page", pages())
def test_no_page_has_a_block_that_is_only_indented(page: str) -> None:
    before, inside = "", False
    for line in (PROJECT / page).read_text(encoding="utf-8").splitlines():
        inside = inside != line.lstrip().startswith("```")
        assert inside or before or not re.match(r" {4,}\S", line), f"{page}: fence it: {line.strip()}"
        before = line


def test_a_command_is_what_stands_before_its_remark() -> None:
    assert without_remark("piranha doctor   # on both: what is wrong") == "piranha doctor"
    assert without_remark("# set it") == ""
    assert without_remark("echo '# no' \"# no\" a#b # yes") == "echo '# no' \"# no\" a#b"


def test_the_readers_own_words_are_put_into_a_command_whole() -> None:
    assert fill("piranha join TOKEN", {"TOKEN": r"eyJ\2"}) == r"piranha join eyJ\2"
    assert fill("piranha allow add 192.0.2.0/24", {"192.0.2.0/24": "10.0.0.0/8"}).endswith(" 10.0.0.0/8")
    assert fill("echo $PASSWORD 192.0.2.10", {"192.0.2.1": "no"}) == "echo $PASSWORD 192.0.2.10"
    with pytest.raises(AssertionError, match="what is FILE"):
        fill("piranha check FILE")


@pytest.mark.parametrize("page", pages())
def test_every_command_of_a_page_is_carried_out_or_it_is_said_why_not(page: str) -> None:
    missing = {one for one in WRITTEN if one[0] == page} - DONE - NOT_CARRIED_OUT.keys()
    assert not missing, "put these into a scene:\n" + "\n".join(map(str, sorted(missing)))


def test_what_no_scene_carries_out_is_on_the_page_and_in_no_scene() -> None:
    assert set(NOT_CARRIED_OUT) <= WRITTEN
    assert not NOT_CARRIED_OUT.keys() & DONE


@pytest.mark.parametrize("test", TABLES)
def test_every_scene_is_carried_out_by_the_test_of_its_table(test: str) -> None:
    text = Path(PROJECT, test).read_text(encoding="utf-8")
    for name in TABLES[test]:
        assert re.search(rf"\b{name}\b(?!\s*=)", text.partition("def test_")[2]), (
            f"{test} never follows {name}"
        )


def test_every_make_target_that_a_block_names_is_there() -> None:
    makefile = Path(PROJECT, "Makefile").read_text(encoding="utf-8")
    for _page, _heading, command in WRITTEN:
        for target in re.findall(r"\bmake ([a-z][a-z-]*)", command):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), command
