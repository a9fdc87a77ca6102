"""`piranha enrol` on the manager's machine."""

from __future__ import annotations

import pytest

from lvs import dispatch, models
from lvs.machines import redis_users
from lvs.machines.invitation import read
from piranha_web.cli import main
from tests.conftest import RedisServer
from tests.web.enrolment import able


@pytest.fixture(autouse=True)
def _running(redis_server: RedisServer, cluster: models.Cluster) -> None:
    redis_users.revoke(dispatch.broker(), "r1")


def test_only_the_command_goes_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    with able("redis://192.0.2.1:6379/0"):
        assert (
            main(["enrol", "r1", "--cluster", "lab", "--valid", "30m", "--address", "https://lb.example.org"])
            == 0
        )
    said = capsys.readouterr()
    (line,) = said.out.splitlines()
    words = line.split()
    assert words[:2] == ["piranha", "join"]
    assert read(words[2]).addresses == ("https://lb.example.org", "https://192.0.2.1:3636")
    assert "Run this on r1, once" in said.err
    assert "without TLS" in said.err
    assert models.AuditEntry.objects.get(action="enrol").address == "console"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["r9"], "There is no router r9. Those that there are: r1 (of lab), r2 (of lab)."),
        (["r1", "--cluster", "other"], "There is no router r1 of the cluster other."),
        (["r1", "--valid", "soon"], "write 30m, 1h or 2d"),
        (["r1", "--valid", "5w"], "7 days at most"),
        (["r1", "--address", "http://lb.example.org"], "https://HOST:PORT"),
        (["r1", "--fingerprint", "12"], "64 hexadecimal digits"),
    ],
)
def test_what_cannot_be_is_said_with_the_remedy(
    capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    with able():
        assert main(["enrol", *words]) == 1
    assert sentence in capsys.readouterr().err
    assert not models.Enrolment.objects.exists()


def test_where_routers_cannot_reach_redis_no_token_is_made(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["enrol", "r1"]) == 1
    assert "PIRANHA_ROUTER_BROKER_URL" in capsys.readouterr().err


def test_to_revoke_says_whether_there_was_anything(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["enrol", "r1", "--revoke"]) == 0
    assert "had no way to Redis before either" in capsys.readouterr().err
    redis_users.grant(dispatch.broker(), "r1")
    assert main(["enrol", "r1", "--revoke"]) == 0
    assert capsys.readouterr().err == "r1 is revoked.\n"
