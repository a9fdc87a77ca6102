"""Where the manager's processes find Redis, with the password in a file."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis

from lvs.machines import broker


def test_the_address_is_in_a_file_so_that_no_environment_shows_the_password(tmp_path: Path) -> None:
    path = tmp_path / "broker.url"
    path.write_text("rediss://:geheim@192.0.2.1:6380/0\n")
    assert broker.url_in({broker.URL_FILE: str(path)}) == "rediss://:geheim@192.0.2.1:6380/0"


def test_an_address_in_the_environment_counts_before_the_file_and_loopback_without_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    named = {broker.URL: "redis://10.0.0.1/0", broker.URL_FILE: str(tmp_path / "none")}
    assert broker.url_in(named) == "redis://10.0.0.1/0"
    assert broker.url_in({}) == broker.url_in({broker.URL: "", broker.URL_FILE: ""}) == broker.DEFAULT


def test_a_command_beside_the_web_server_finds_the_redis_of_its_folder(tmp_path: Path) -> None:
    (tmp_path / "broker.url").write_text("redis://:geheim@127.0.0.1:7777/0\n")
    folder = {"PIRANHA_VAR": str(tmp_path)}
    assert broker.url_in(folder) == "redis://:geheim@127.0.0.1:7777/0"
    assert broker.url_in({**folder, broker.URL: "redis://10.0.0.1/0"}) == "redis://10.0.0.1/0"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(redis.ConnectionError, match="PIRANHA_BROKER_URL_FILE names, cannot be read"):
        broker.url_in({broker.URL_FILE: str(tmp_path / "none")})
