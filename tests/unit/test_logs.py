"""What the lines of a log look like; what tools have looked for in Piranha's log is there word for word."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lvs.log_form import is_journal
from lvs.logs import JournalFormatter, JsonFormatter, formatter, prefix_of
from lvs.pulse.heart import log as heart_log

ROOT = Path(__file__).parent.parent.parent
# What has been looked for in Piranha's log since 2000, and where it is said. The ends differ: `%s`, names.
KEPT = {
    "STARTING PULSE AS %s": "lvs/pulse/lvsd.py",
    "Terminating due to signal %s": "lvs/pulse/daemon.py",
    "rereading configuration file": "lvs/pulse/lvsd.py",
    "partner dead: activating lvs": "lvs/pulse/election/table.py",
    "partner active: resending arps": "lvs/pulse/election",
    "gratuitous lvs arps finished": "lvs/pulse/announcer.py",
    "Local NIC link failure: Pulse disabled": "lvs/pulse/election/table.py",
    "starting virtual service %s active: %d": "lvs/pulse/words.py",
    "shutting down virtual service %s": "lvs/pulse/words.py",
    "create_monitor for %s/%s running as pid %d": "lvs/pulse/words.py",
    "[ active ] making {where} available": "lvs/pulse/keeping.py",
    "[inactive] shutting down {where} due to connection failure": "lvs/pulse/keeping.py",
}


def text_of(place: Path) -> str:
    files = [place] if place.is_file() else sorted(place.glob("*.py"))
    return "".join(file.read_text() for file in files)


@pytest.mark.parametrize(("message", "place"), KEPT.items())
def test_what_tools_look_for_is_said_word_for_word(message: str, place: str) -> None:
    assert message in text_of(ROOT / place)


def test_the_guide_lists_these_messages() -> None:
    guide = (ROOT / "docs" / "monitoring.md").read_text()

    for message in KEPT:
        shown = message.replace("%s", "…").replace("%d", "…").replace("{where}", "…")
        assert f"`{shown}`" in guide, shown


def record(level: int, text: str, error: Exception | None = None) -> logging.LogRecord:
    found = (type(error), error, None) if error else None
    return logging.LogRecord("pulse", level, __file__, 1, text, None, found)


def test_for_the_journal_every_line_has_its_priority_and_none_has_a_time() -> None:
    one = JournalFormatter("%(message)s")

    assert one.format(record(logging.WARNING, "a\nb")) == "<4>a\n<4>b"
    assert one.format(record(logging.INFO, "a")) == "<6>a"


@pytest.mark.parametrize(
    ("level", "prefix"),
    [(5, "<7>"), (10, "<7>"), (20, "<6>"), (25, "<6>"), (30, "<4>"), (40, "<3>"), (50, "<2>")],
)
def test_each_level_has_its_priority(level: int, prefix: str) -> None:
    assert prefix_of(level) == prefix


def test_as_json_a_message_is_one_line_with_its_trace() -> None:
    line = JsonFormatter(False).format(record(logging.ERROR, 'a "b"\nc', ValueError("why")))

    assert "\n" not in line
    said = json.loads(line)
    assert (said["level"], said["logger"], said["message"]) == ("error", "pulse", 'a "b"\nc')
    assert said["error"] == "ValueError: why"
    assert said["time"].endswith("Z")
    assert said["process"] == os.getpid()
    assert JsonFormatter(True).format(record(logging.ERROR, "a")).startswith("<3>{")


def stream_of(file: int) -> str:
    status = os.fstat(file)
    return f"{status.st_dev}:{status.st_ino}"


def test_it_is_the_journal_only_where_the_stream_is_the_very_one(tmp_path: Path) -> None:
    with (tmp_path / "a").open("w") as one, (tmp_path / "b").open("w") as other:
        environment = {"JOURNAL_STREAM": stream_of(one.fileno())}
        assert is_journal(environment, one.fileno())
        assert not is_journal(environment, other.fileno())
    for odd in ("", "x", "1", "1:", "1:x"):
        assert not is_journal({"JOURNAL_STREAM": odd})


def test_at_a_terminal_the_form_is_the_one_for_people() -> None:
    made = formatter("%(levelname)s: %(message)s", {})

    assert made.format(record(logging.INFO, "a")) == "INFO: a"


def test_the_heart_writes_in_the_same_forms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIRANHA_LOG_FORMAT", "json")
    said = json.loads(heart_log._line("warning", "a link is gone"))
    assert (said["level"], said["logger"], said["message"]) == ("warning", "heart", "a link is gone")

    monkeypatch.delenv("PIRANHA_LOG_FORMAT")
    assert "WARNING: a link is gone" in heart_log._line("warning", "a link is gone")


@pytest.mark.parametrize("form", ["json", ""])
@pytest.mark.parametrize("text", ["word " * 9000, "\x01" * 2000, "ü" * 1500, "\udcff" * 5000])
def test_a_line_of_the_heart_that_is_too_long_has_a_shorter_message_and_stays_whole(
    monkeypatch: pytest.MonkeyPatch, text: str, form: str
) -> None:
    monkeypatch.setenv("PIRANHA_LOG_FORMAT", form)
    line = heart_log._fitting("warning", text)
    assert heart_log.LONGEST - 20 < len(line) <= heart_log.LONGEST
    assert line.find(b"\n") == len(line) - 1
    if form == "json":
        said = json.loads(line)["message"]
        assert said.endswith(heart_log.CUT)
        assert said[:100] == text[:100].replace("\udcff", "?")
    assert heart_log._fitting("info", "short").endswith(b"short\n" if not form else b"}\n")


def test_pulse_itself_writes_for_the_journal_when_its_standard_error_is_that(tmp_path: Path) -> None:
    with (tmp_path / "stderr").open("w") as stderr:
        subprocess.run(
            [
                sys.executable, "-c",
                "import logging; from lvs.pulse.__main__ import set_up_log; set_up_log('info'); "
                "logging.getLogger('pulse').warning('odd')",
            ],
            env=os.environ | {"JOURNAL_STREAM": stream_of(stderr.fileno())},
            stderr=stderr,
            check=True,
        )  # fmt: skip

    assert (tmp_path / "stderr").read_text() == "<4>odd\n"
