"""What the guide has people type is what the program takes, and what the program says is in the guide."""

from __future__ import annotations

import argparse
import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from lvs.config.keywords import GLOBAL, SERVER, VIRTUAL
from lvs.pulse.__main__ import parser as pulse_parser
from piranha_web import urls
from piranha_web.cli import parser
from piranha_web.guide.pages import PAGES
from tests.reference import ELSEWHERE, HELP, MAKERS

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES_OF_DOCS = [*sorted(DOCS.rglob("*.md")), ROOT / "README.md"]
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"^ {4,}(?=\S)(.*)$", re.MULTILINE)
INLINE = re.compile(r"`([^`\n]+)`")
PARSER, PULSE_PARSER = parser(), pulse_parser()
BEFORE = re.compile(r"^(?:\$ |sudo |\.venv/bin/)*(?=piranha )")
# Words that stand for something of the reader's own, where the parser wants more than any word.
OWN = {"SERIAL": "42", "PORT": "3636", "ROUTER": "r1", "DAYS": "30"}


def commands(text: str) -> Iterator[tuple[str, bool]]:
    """What a page has people type; whether it stands in a sentence, where a name alone is enough."""
    rest = FENCE.sub("", text)
    blocks = "\n".join(found[3] for found in FENCE.finditer(text) if found[2] not in ("text", "lvs"))
    for line in [*blocks.splitlines(), *INDENTED.findall(rest)]:
        line = line.strip()
        if BEFORE.match(line):
            yield BEFORE.sub("", line), False
    for line in INLINE.findall(rest):
        if BEFORE.match(line):
            yield BEFORE.sub("", line), True


def words_of(line: str) -> list[str]:
    """The words of a command, without what explains it and the brackets of what may be left out."""
    line = re.sub(r"\$\([^)]*\)", "MADE", line)  # what a shell would put there
    line = re.split(r"\s{2,}|\s#\s|\s#$|\s(?:\||>|<|&&|2>)", line)[0]
    line = re.sub(r"[\[\]…]|, …", " ", line)
    return [OWN.get(word, word) for word in shlex.split(line)][1:]


def is_name(words: list[str], one: argparse.ArgumentParser) -> bool:
    """Whether the words are no more than the name of a command."""
    for word in words:
        choices = [
            action.choices for action in one._actions if isinstance(action, argparse._SubParsersAction)
        ]
        if not choices or word not in choices[0]:
            return False
        one = choices[0][word]
    return True


def parses(words: list[str]) -> bool:
    if words[:1] == ["manage"]:  # Django's
        return True
    try:
        if words[:1] == ["pulse"]:
            PULSE_PARSER.parse_args(words[1:])
        else:
            PARSER.parse_args(words)
    except SystemExit as end:
        return end.code == 0  # --help, --version
    return True


@pytest.mark.parametrize("page", PAGES_OF_DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_in_the_guide_is_one_that_the_program_takes(
    page: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = []
    for line, in_sentence in commands(page.read_text(encoding="utf-8")):
        words = words_of(line)
        if "COMMAND" in words or (in_sentence and is_name(words, PARSER)):
            continue
        if not parses(words):
            wrong.append(f"{line}: {capsys.readouterr().err.splitlines()[-1]}")
    assert not wrong


def test_commands_are_looked_for_where_they_stand() -> None:
    text = (
        "Say `piranha allow`, or\n\n```console\npiranha check FILE [--json]   # all of it\n$ piranha wrong\n"
        "```\n\n    sudo piranha confirm SERIAL    keeps it\n\n```text\npiranha no\n```\n"
    )
    found = [(words_of(line), in_sentence) for line, in_sentence in commands(text)]
    assert found == [
        (["check", "FILE", "--json"], False),
        (["wrong"], False),
        (["confirm", "42"], False),
        (["allow"], True),
    ]
    assert not parses(["wrong"])
    assert parses(["check", "FILE", "--json"])


def test_every_link_of_the_pages_beside_the_guide_holds() -> None:
    for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
            assert (ROOT / link).exists(), f"{name}: {link}"


def test_the_readmes_two_commands_are_there() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    told = re.findall(r"^make ([a-z-]+)", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert told[:2] == ["run", "test"]
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in told)


def test_every_make_target_that_the_docs_name_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for page in PAGES_OF_DOCS:
        for target in re.findall(r"`(?:[A-Z_]+=\S+ )*make ([a-z][a-z-]*)`", page.read_text(encoding="utf-8")):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"{page.name}: make {target}"


def test_the_reference_has_every_directive_with_value_default_and_effect() -> None:
    made = MAKERS["directives"]()
    for keyword in (*GLOBAL, *VIRTUAL, *SERVER):
        assert f"### `{keyword.name}`" in made
        assert keyword.doc.split(";")[0][1:12] in made
    assert "At Apply" in made


def test_the_reference_has_every_command_and_every_option() -> None:
    made = MAKERS["commands"]()

    def look(one: argparse.ArgumentParser) -> None:
        for action in one._actions:
            for option in action.option_strings:
                assert option in ("-h", "--help") or f"`{option}`" in made, f"{one.prog} {option}"
            if isinstance(action, argparse._SubParsersAction):
                for sub in action.choices.values():
                    assert re.search(rf"^#+ `{re.escape(sub.prog)}`$", made, re.MULTILINE), sub.prog
                    look(sub)

    look(PARSER)
    look(PULSE_PARSER)


def test_the_reference_has_every_setting_that_the_program_reads() -> None:
    said = MAKERS["settings"]() + (DOCS / "reference" / "settings.md").read_text(encoding="utf-8")
    for path in sorted([*(ROOT / "lvs").rglob("*.py"), *(ROOT / "piranha_web").rglob("*.py")]):
        names = re.findall(
            r"""["'](PIRANHA_[A-Z_]+[A-Z]|DATABASE_URL)["']""", path.read_text(encoding="utf-8")
        )
        assert [name for name in names if f"`{name}`" not in said] == [], path.relative_to(ROOT)


def test_the_reference_has_every_kind_of_error_with_what_to_do() -> None:
    made = MAKERS["errors"]()
    page = (DOCS / "reference" / "messages.md").read_text(encoding="utf-8")
    tree = ast.parse((ROOT / "lvs" / "errors.py").read_text(encoding="utf-8"))
    for name in [node.name for node in tree.body if isinstance(node, ast.ClassDef)]:
        assert f"| `{name}` |" in made
        assert f"`{name}`" in page


def test_the_reference_has_every_alarm_of_the_election_and_of_the_checks() -> None:
    page = (DOCS / "reference" / "messages.md").read_text(encoding="utf-8")
    election = (ROOT / "lvs" / "pulse" / "election" / "alarms.py").read_text(encoding="utf-8")
    keys = re.findall(r"""Alarm\(\s*f?"([a-z]+)""", election)
    keys += re.findall(r"""\("([a-z]+)", \w+\): Alarm""", (ROOT / "lvs/pulse/watching.py").read_text("utf-8"))
    assert len(keys) > 12
    assert [key for key in keys if f"| `{key}` |" not in page] == []


def test_the_reference_has_every_address_of_the_site() -> None:
    made = MAKERS["addresses"]()
    for pattern in urls.urlpatterns:
        address = "/" + re.sub(r"<\w+:(\w+)>", r"{\1}", str(pattern.pattern))
        row = re.search(rf"^\| `{re.escape(address)}` \| .+ \| (.+) \|$", made, re.MULTILINE)
        assert row, address


def test_the_guide_has_every_page_of_the_help_once() -> None:
    found = [name for path in PAGES_OF_DOCS for name in HELP.findall(path.read_text(encoding="utf-8"))]
    assert sorted([*found, *ELSEWHERE]) == sorted(page.name for page in PAGES)
