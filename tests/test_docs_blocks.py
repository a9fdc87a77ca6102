"""The blocks of the guide are what they say: commands alone in those that are to be typed."""

from __future__ import annotations

import re

import pytest

from tests.packages.manual import PROJECT, blocks, fill, pages, without_remark

KNOWN = {"console", "text", "lvs", "ini", "json", "yaml", "{help}", "{drawing}", "{generated}", "{toctree}"}


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
