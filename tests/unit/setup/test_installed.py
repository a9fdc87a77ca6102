"""The settings of an installed site, as a command at the console reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from piranha_web import cli, installed


def test_what_the_file_says_counts_where_the_environment_does_not_say_otherwise(tmp_path: Path) -> None:
    file = tmp_path / "web.env"
    file.write_text('# the site\nPIRANHA_PORT=3637\nPIRANHA_BIND="0.0.0.0 ::"\n\nPIRANHA_HOSTS=a.example\n')
    environment = {"PIRANHA_ENV_FILE": str(file), "PIRANHA_PORT": "8443"}

    installed.begin(["allow"], environment)

    assert environment["PIRANHA_PORT"] == "8443"
    assert environment["PIRANHA_BIND"] == "0.0.0.0 ::"
    assert environment["PIRANHA_HOSTS"] == "a.example"


def test_a_checkout_reads_no_settings_of_an_installed_site() -> None:
    environment: dict[str, str] = {}

    installed.begin(["allow"], environment)

    assert environment == {}


def test_a_line_that_is_no_setting_is_said_with_its_number_and_the_others_count(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "web.env"
    file.write_text("LD_PRELOAD=/tmp/x.so\nPIRANHA_PORT=3637\nPIRANHA_BIND='open\nexport PIRANHA_VAR=/x\n")
    environment = {"PIRANHA_ENV_FILE": str(file)}

    installed.begin(["status"], environment)

    assert environment == {"PIRANHA_ENV_FILE": str(file), "PIRANHA_PORT": "3637"}
    said = capsys.readouterr().err
    assert [number for number in range(1, 5) if f"line {number} " in said] == [1, 3, 4]


def test_a_file_that_is_not_there_changes_nothing(tmp_path: Path) -> None:
    environment = {"PIRANHA_ENV_FILE": str(tmp_path / "none")}

    installed.begin(["status"], environment)

    assert list(environment) == ["PIRANHA_ENV_FILE"]


@pytest.mark.parametrize(
    "value", ["", "3636", "0.0.0.0 ::", 'a "quoted" \\ word', "it's", "a=b # c", "$x `y`"]
)
def test_what_is_written_reads_back_as_itself(value: str) -> None:
    text = installed.line_of("PIRANHA_X", value)

    assert installed.parsed(text) == ({"PIRANHA_X": value}, [])


def test_only_what_writes_beside_the_web_server_runs_as_its_user() -> None:
    assert installed.belongs_to_site(["passwd", "kim"])
    assert installed.belongs_to_site(["worker", "--manager"])
    assert not installed.belongs_to_site(["worker", "--router", "r1"])
    assert not installed.belongs_to_site(["pulse"])
    assert not installed.belongs_to_site(["join", "-"])
    assert not installed.belongs_to_site([])


def test_a_command_takes_the_folder_of_the_site_from_its_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "web.env").write_text(f"PIRANHA_VAR={tmp_path / 'kept'}\n")
    monkeypatch.setenv("PIRANHA_ENV_FILE", str(tmp_path / "web.env"))
    monkeypatch.setenv("PIRANHA_VAR", "unset again when this test ends")
    monkeypatch.delenv("PIRANHA_VAR")

    assert cli.main(["signing", "next"]) == 0

    assert list((tmp_path / "kept").glob("signing*"))
    assert "does not sign yet" in capsys.readouterr().out


def test_targets_of_alerts_and_the_token_of_the_metrics_are_written_as_the_sites_user() -> None:
    assert installed.belongs_to_site(["alert", "add"])
    assert installed.belongs_to_site(["metrics", "token", "--revoke"])
    assert not installed.belongs_to_site(["metrics"])
