"""Redis' certificate is made again where the authority of now has not signed it: after a restore, say."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from piranha_web.setup.steps import is_for
from piranha_web.tls import authority

NOW = datetime(2026, 11, 23, tzinfo=UTC)
HOST = "manager.example.org"


def test_a_certificate_of_another_authority_is_not_for_this_manager(tmp_path: Path) -> None:
    here, before = tmp_path / "here", tmp_path / "before"
    path = here / authority.REDIS_CERTIFICATE
    authority.sign_for_redis(here, here, [HOST], NOW)
    authority.ensure(before, NOW)
    assert is_for(path, HOST, here)
    assert not is_for(path, "other.example.org", here)

    for name in (authority.CERTIFICATE, authority.KEY):  # as a restore puts them in place
        (before / name).rename(here / name)
    assert not is_for(path, HOST, here)

    authority.sign_for_redis(here, here, [HOST], NOW)
    assert is_for(path, HOST, here)
    (here / authority.CERTIFICATE).unlink()
    assert not is_for(path, HOST, here)
