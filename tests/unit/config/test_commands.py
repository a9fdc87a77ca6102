"""piranha check and piranha format, and the check and load behind them."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from lvs.config.check import load
from lvs.config.commands import check_command, format_command
from lvs.errors import InvalidConfig, ParseError

SAMPLES = Path(__file__).parent / "samples"
GOOD = "virtual web {\nactive = 0\n}\n"
WARNS = "virtual web {\n}\n"
SENSELESS = "virtual web {\nactive = 0\nport = 0\n}\nkeepalive = 9\ndeadtime = 10\n"
UNREADABLE = "keepalive = often\ndeadtime = 0\n"


def written(folder, text):
    path = folder / "lvs.cf"
    path.write_text(text)
    return str(path)


def test_check_of_a_valid_file_says_nothing_and_gives_0(tmp_path, capsys):
    assert check_command(written(tmp_path, GOOD), as_json=False) == 0
    assert capsys.readouterr() == ("", "")


def test_check_prints_a_warning_with_file_and_line_and_gives_0(tmp_path, capsys):
    path = written(tmp_path, WARNS)
    assert check_command(path, as_json=False) == 0
    assert capsys.readouterr().out.startswith(f"{path}:1: warning: virtual ")


def test_check_prints_an_error_with_file_and_line_and_gives_1(tmp_path, capsys):
    path = written(tmp_path, SENSELESS)
    assert check_command(path, as_json=False) == 1
    assert capsys.readouterr().out == (
        f"{path}:3: error: virtual server web: port 0 is out of range: write 1 to 65535\n"
    )


def test_check_as_json_has_the_configuration_in_lvs_cf_words(tmp_path, capsys):
    assert check_command(written(tmp_path, WARNS), as_json=True) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"] is True
    assert [(p["line"], p["severity"]) for p in answer["problems"]] == [(1, "warning")]
    assert answer["config"]["virtual"][0]["name"] == "web"


def test_check_as_json_shows_a_senseless_configuration_too(tmp_path, capsys):
    assert check_command(written(tmp_path, SENSELESS), as_json=True) == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"] is False
    assert answer["config"]["virtual"][0]["port"] == 0


def test_check_as_json_has_no_configuration_when_the_file_cannot_be_understood(tmp_path, capsys):
    assert check_command(written(tmp_path, UNREADABLE), as_json=True) == 1
    answer = json.loads(capsys.readouterr().out)
    assert (answer["ok"], answer["config"]) == (False, None)
    assert [problem["line"] for problem in answer["problems"]] == [1, 2]


@pytest.mark.parametrize("as_json", [False, True])
def test_check_of_a_missing_file_says_so_and_gives_2(tmp_path, capsys, as_json):
    assert check_command(str(tmp_path / "none.cf"), as_json=as_json) == 2
    output = capsys.readouterr()
    assert "cannot be read: No such file or directory" in output.out + output.err
    if as_json:
        assert json.loads(output.out)["ok"] is False


def test_check_reads_standard_input_for_a_dash(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(SENSELESS.encode())))
    assert check_command("-", as_json=False) == 1
    assert capsys.readouterr().out.startswith("<stdin>:3: error: ")


def test_check_takes_a_latin_1_file_with_a_warning(tmp_path, capsys):
    path = tmp_path / "old.cf"
    path.write_bytes(b"# Caf\xe9\nprimary = 10.0.0.1\n")
    assert check_command(str(path), as_json=False) == 0
    assert "save it as UTF-8" in capsys.readouterr().out


def test_format_prints_the_canonical_text_and_puts_warnings_aside(tmp_path, capsys):
    assert format_command(written(tmp_path, WARNS)) == 0
    output = capsys.readouterr()
    assert "virtual web {\n     active = 0\n" in output.out
    assert ": warning: " in output.err


@pytest.mark.parametrize("text", [SENSELESS, UNREADABLE])
def test_format_refuses_what_may_not_be_installed(tmp_path, capsys, text):
    assert format_command(written(tmp_path, text)) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert ": error: " in output.err


def test_format_of_a_missing_file_says_so_and_gives_2(tmp_path, capsys):
    assert format_command(str(tmp_path / "none.cf")) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_load_gives_the_configuration_of_a_valid_text():
    assert load(GOOD).virtual_servers[0].name == "web"


def test_load_refuses_unreadable_text_with_every_error_and_its_line():
    with pytest.raises(ParseError) as caught:
        load(UNREADABLE)
    assert [problem.line for problem in caught.value.problems] == [1, 2]


def test_load_refuses_what_makes_no_sense():
    with pytest.raises(InvalidConfig, match="line 3: virtual server web: port 0"):
        load(SENSELESS)


def test_a_rule_says_nothing_about_a_value_that_could_not_be_read():
    with pytest.raises(ParseError) as caught:
        load("virtual web {\nactive = 1\naddress = web.example eth0:1\n}\n")
    assert [problem.line for problem in caught.value.problems] == [3]
