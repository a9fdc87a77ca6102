"""What the code knows is documented."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lvs.config.check import check
from lvs.config.keywords import GLOBAL, GUI_ONLY, SERVER, VIRTUAL
from lvs.config.model import Severity
from lvs.config.services import _BOTH, _SCTP, _TCP, _UDP
from lvs.config.values import Context

PROJECT = Path(__file__).parent.parent
LVS_CF = (PROJECT / "docs" / "lvs.cf.md").read_text()
JOURNEYS = (
    "first set-up",
    "import an old lvs.cf and go live",
    "add a server under traffic",
    "drain and remove",
    "a server dies: find out why",
    "roll back",
    "switch routers",
)


def row(keyword):
    default = "–" if keyword.default in (None, ()) else f"`{keyword.kind.format(keyword.default, Context())}`"
    new = "" if keyword.piranha else " **New.**"
    kept = f" Kept only: {keyword.ignored}." if keyword.ignored else ""
    doc = keyword.doc[0].upper() + keyword.doc[1:]
    return f"| `{keyword.name}` | {keyword.kind.says} | {default} | {doc}.{new}{kept} |"


@pytest.mark.parametrize("table", [GLOBAL, VIRTUAL, SERVER], ids=["global", "virtual", "server"])
def test_lvs_cf_md_has_a_row_for_each_directive_that_says_what_the_code_does(table):
    missing = [row(keyword) for keyword in table if row(keyword) not in LVS_CF]
    assert not missing, "put these rows into docs/lvs.cf.md:\n" + "\n".join(missing)


def test_lvs_cf_md_names_the_words_of_the_old_gui():
    for names in GUI_ONLY.values():
        for name in names:
            assert f"`{name}`" in LVS_CF


def test_lvs_cf_md_names_every_service_name():
    for table in (_BOTH, _TCP, _UDP, _SCTP):
        for name in table:
            assert f"`{name}`" in LVS_CF, name


def test_the_examples_in_lvs_cf_md_may_be_installed():
    blocks = LVS_CF.split("```")[1::2]
    examples = [text.removeprefix("lvs\n") for text in blocks if text.startswith("lvs\n")]
    assert examples
    for text in examples:
        assert [str(p) for p in check(text).problems if p.severity is Severity.ERROR] == []


@pytest.mark.parametrize("journey", JOURNEYS)
def test_contributing_says_which_test_is_a_journey_and_its_name_begins_with_it(journey):
    rows = re.findall(
        rf"^\| {re.escape(journey)} \| (\w+\.py) \|$", (PROJECT / "CONTRIBUTING.md").read_text(), re.M
    )
    assert len(rows) == 1
    name = "test_" + re.sub(r"\W+", "_", journey)
    assert len(re.findall(rf"^def {name}_", (PROJECT / "tests/browser" / rows[0]).read_text(), re.M)) == 1
