"""What `piranha setup` is told, word by word, and the settings that follow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from piranha_web import installed
from piranha_web.setup import answers as judged
from piranha_web.setup.answers import Answers, Kind, Odd

VAR = Path("/var/lib/piranha")


def of(kind: Kind, **more: object) -> Answers:
    usual: dict[str, object] = {"cluster": "main", "routers": ("r1",), "binds": ("0.0.0.0",), "port": 3636}
    return Answers(kind=kind, **{**usual, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("understand", "text", "found"),
    [
        (judged.kind_of, "2", Kind.MANAGER),
        (judged.kind_of, " Router ", Kind.ROUTER),
        (judged.port_of, "8443", 8443),
        (judged.binds_of, "192.0.2.1, [::1] unix:/run/x", ("192.0.2.1", "::1", "unix:/run/x")),
        (judged.names_of, "r1, r2", ("r1", "r2")),
        (judged.names_of, "", ()),
        (judged.cluster_of, "My cluster", "My cluster"),
        (judged.host_of, "[2001:db8::1]", "2001:db8::1"),
        (judged.host_of, "manager.example.org", "manager.example.org"),
        (judged.redis_of, "own", "own"),
        (judged.redis_of, "rediss://:x@h:6380/0", "rediss://:x@h:6380/0"),
        (judged.database_of, "", "sqlite"),
        (judged.database_of, "postgresql://u@h/d", "postgresql://u@h/d"),
    ],
)  # fmt: skip
def test_what_is_meant_is_understood(understand: Callable[[str], object], text: str, found: object) -> None:
    assert understand(text) == found


@pytest.mark.parametrize(
    ("understand", "text", "said"),
    [
        (judged.kind_of, "4", "Write one of single, manager, router"),
        (judged.kind_of, "", "Write one of"),
        (judged.port_of, "0", "from 1 to 65535"),
        (judged.port_of, "٣٦", "from 1 to 65535"),
        (judged.port_of, "99999999999", "from 1 to 65535"),
        (judged.binds_of, "", "every address of this machine"),
        (judged.binds_of, "everywhere", "no address of a machine"),
        (judged.binds_of, "unix:x", "names no socket"),
        (judged.names_of, "a b c", "two routers at most"),
        (judged.names_of, "r1\n", ""),
        (judged.name_of, "r:1", "no router's name"),
        (judged.cluster_of, "a\x1b[2J", "Write a name"),
        (judged.cluster_of, "x" * 65, "at most 64"),
        (judged.host_of, "127.0.0.1", "leads each machine to itself"),
        (judged.host_of, "localhost", "no host name"),
        (judged.host_of, "a b", "no host name"),
        (judged.redis_of, "http://h/", "redis://HOST:PORT/0"),
        (judged.redis_of, "redis://[h/", "cannot be understood"),
        (judged.redis_of, "redis://h:99999/0", "cannot be understood"),
        (judged.redis_of, "redis://h/0 x", "blanks"),
        (judged.database_of, "mysql://h/d", "postgresql://USER@HOST/DATABASE"),
    ],
)
def test_an_odd_answer_is_explained(understand: Callable[[str], object], text: str, said: str) -> None:
    if not said:
        assert understand(text) == ("r1",)
        return
    with pytest.raises(Odd) as found:
        understand(text)

    assert said in str(found.value)
    assert str(found.value).isprintable()


def test_a_password_on_the_command_line_is_refused_and_one_in_a_message_hidden() -> None:
    with pytest.raises(Odd, match="--redis-file FILE"):
        judged.without_password("redis://:secret@h/0", "--redis")

    assert judged.without_password("redis://h/0", "--redis") == "redis://h/0"
    assert judged.shown("postgresql://kim:secret@h:5432/d") == "postgresql://kim:…@h:5432/d"
    assert "secret" not in repr(
        of(Kind.MANAGER, redis="redis://:secret@h/0", database="postgresql://:secret@h/d")
    )


def test_a_manager_with_its_own_redis_tells_routers_to_come_by_tls() -> None:
    settings = judged.settings_of(of(Kind.MANAGER, reached_at="2001:db8::1"), VAR)

    assert settings["PIRANHA_ROUTER_BROKER_URL"] == "rediss://[2001:db8::1]:6380/0"
    assert settings["PIRANHA_BROKER_CA"] == "/var/lib/piranha/ca.pem"


def test_the_name_by_which_routers_come_is_one_of_the_sites_names() -> None:
    answers = of(Kind.MANAGER, reached_at="m.example")

    assert (
        judged.settings_of(answers, VAR, "a.example, b.example")["PIRANHA_HOSTS"]
        == "a.example b.example m.example"
    )
    assert judged.settings_of(answers, VAR, "m.example")["PIRANHA_HOSTS"] == "m.example"
    assert judged.settings_of(of(Kind.SINGLE), VAR)["PIRANHA_HOSTS"] is None


def test_a_single_machine_has_no_way_for_others_into_its_redis() -> None:
    settings = judged.settings_of(of(Kind.SINGLE), VAR)

    assert settings["PIRANHA_ROUTER_BROKER_URL"] is None
    assert settings["PIRANHA_BROKER_CA"] is None


def test_no_secret_stands_in_the_settings() -> None:
    answers = of(Kind.MANAGER, redis="rediss://:secret@h/0", database="postgresql://kim:secret@h/d")

    settings = judged.settings_of(answers, VAR)

    assert "secret" not in str(
        {name: value for name, value in settings.items() if name != "PIRANHA_SECRET_KEY_FILE"}
    )
    assert settings["PIRANHA_DATABASE_URL_FILE"] == "/var/lib/piranha/database.url"


def test_the_settings_file_keeps_what_an_administrator_wrote_into_it() -> None:
    before = "# ours\nPIRANHA_PORT=3636\nPIRANHA_HOSTS=a.example\nPIRANHA_TLS_CERT=/x.pem\nPIRANHA_PORT=1\n"
    settings: dict[str, str | None] = {
        "PIRANHA_PORT": "8443",
        "PIRANHA_TLS_CERT": None,
        "PIRANHA_BIND": "a b",
    }

    after = judged.merged(before, settings, installed.line_of)

    assert after == '# ours\nPIRANHA_PORT=8443\nPIRANHA_HOSTS=a.example\nPIRANHA_BIND="a b"\n'
    assert judged.merged(after, settings, installed.line_of) == after
