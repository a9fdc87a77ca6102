"""What a guest is told to do."""

from __future__ import annotations

import subprocess

import pytest

from deploy.lab.guests.command import split
from deploy.lab.guests.job import Forward, GuestError, Job, environment_from, job_script


def make_job(tmp_path, *command: str, **fields: object) -> Job:
    values = {"kind": "uml", "memory": 64, "timeout": 5.0, **fields}
    return Job(command=command, project=tmp_path, exchange=tmp_path / "exchange", **values)


def test_the_command_runs_in_the_projects_folder_with_its_environment_first_on_path(tmp_path):
    words = ("printf", "%s\\n", "a b", "$HOME", "it's")
    script = job_script(words, tmp_path, "uml", {"SECRET": "x y"})
    done = subprocess.run(
        ["sh"], input=script + "pwd; echo $PATH; echo $SECRET", text=True, capture_output=True
    )
    lines = done.stdout.splitlines()
    assert lines[:4] == ["a b", "$HOME", "it's", str(tmp_path)]
    assert lines[4].startswith(f"{tmp_path}/.venv/bin:")
    assert lines[5] == "x y"


def test_nothing_in_a_guest_writes_beside_the_source(tmp_path):
    assert "export PYTHONDONTWRITEBYTECODE=1\n" in job_script(["true"], tmp_path, "vm", {})


def test_the_script_is_for_its_owner_alone_since_variables_may_be_secret(tmp_path):
    job = make_job(tmp_path, "true")
    job.write()
    assert (job.exchange / "job.sh").stat().st_mode & 0o777 == 0o600


def test_there_is_no_status_before_the_guest_has_written_one(tmp_path):
    job = make_job(tmp_path, "true")
    job.write()
    assert job.status() is None
    job.status_file.write_text("7\n")
    assert job.status() == 7


def test_a_status_of_an_earlier_guest_does_not_count(tmp_path):
    job = make_job(tmp_path, "true")
    job.write()
    job.status_file.write_text("0\n")
    job.write()
    assert job.status() is None


@pytest.mark.parametrize(
    ("text", "forward"),
    [
        ("8080:80", Forward(host="127.0.0.1", host_port=8080, guest_port=80)),
        ("0.0.0.0:8080:80", Forward(host="0.0.0.0", host_port=8080, guest_port=80)),
    ],
)
def test_a_forward_is_bound_to_this_machine_unless_told_otherwise(text, forward):
    assert Forward.read(text) == forward


def test_a_variable_without_a_value_is_taken_from_our_own_environment(monkeypatch):
    monkeypatch.setenv("PIRANHA_TOKEN", "secret")
    monkeypatch.delenv("PIRANHA_NONE", raising=False)
    found = environment_from(["PIRANHA_TOKEN", "A=b=c", "PIRANHA_NONE", "EMPTY="])
    assert found == {"PIRANHA_TOKEN": "secret", "A": "b=c", "EMPTY": ""}


def test_everything_after_the_first_dashes_belongs_to_the_command():
    assert split(["vm", "--verbose", "--", "ls", "--", "-l"]) == (["vm", "--verbose"], ["ls", "--", "-l"])
    assert split(["uml"]) == (["uml"], [])


def test_a_path_that_a_kernels_command_line_cannot_carry_is_refused_with_the_remedy(tmp_path):
    with pytest.raises(GuestError, match="without spaces"):
        make_job(tmp_path / "my project", "true").write()
