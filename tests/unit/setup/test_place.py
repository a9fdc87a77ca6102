"""`piranha setup` and `piranha tls` by root in the folder of the site's user: whatever lies there."""

from __future__ import annotations

import os
from argparse import Namespace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from piranha_web.console.tls_command import tls_command
from piranha_web.setup import own_redis
from piranha_web.setup.place import NotSetUp, Place
from piranha_web.setup.steps import Manager
from piranha_web.tls import authority, own
from piranha_web.tls.certificates import TlsRefused, contents

SITE = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")


@pytest.fixture
def place(above: Path) -> Place:
    """One whose folder is the site's user's."""
    found = Place(above)
    found.var.mkdir(parents=True)
    if os.geteuid() == 0:
        os.chown(found.var, SITE, SITE)
    return found


@pytest.fixture
def shadow(place: Place) -> Path:
    """Root's own file."""
    made = place.root / "shadow"
    made.write_text("root:secret\n")
    made.chmod(0o600)
    return made


@as_root
def test_roots_files_are_not_read_through_links_of_the_site(place: Place, shadow: Path) -> None:
    (place.var / "redis").mkdir()
    (place.var / "redis" / "users.acl").symlink_to(shadow)
    (place.var / "ca.pem").symlink_to(shadow)

    with pytest.raises(NotSetUp, match="Permission denied"):
        place.secret("redis/users.acl")
    with pytest.raises(PermissionError), own_redis.trusting(place.var / "ca.pem"):
        pass


def test_a_pipe_in_the_place_of_a_file_hangs_nobody(place: Place) -> None:
    for name in ("broker.url", "tls.lock", "ca.lock", "tls.pem"):
        os.mkfifo(place.var / name, 0o666)
        (place.var / name).chmod(0o666)

    with pytest.raises(NotSetUp, match="no plain file"):
        place.secret("broker.url")
    with pytest.raises(TlsRefused, match="no plain file"):
        contents(place.var / "tls.pem")
    for makes in (own.ensure, lambda path, _names, now: authority.ensure(path.parent, now)):
        with pytest.raises(OSError, match="no plain file"):
            makes(place.var / "tls.pem", ["localhost"], datetime.now(UTC))


@as_root
def test_what_root_writes_there_is_written_as_the_sites_user(place: Place) -> None:
    place.write(place.var / "redis" / "redis.conf", "x")

    found = (place.var / "redis" / "redis.conf").stat()
    assert (found.st_uid, found.st_mode & 0o777) == (SITE, 0o600)
    assert (place.var / "redis").stat().st_uid == SITE
    assert place.text("redis/redis.conf") == "x"


@as_root
def test_a_link_that_is_put_there_after_the_look_leads_root_nowhere(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    etc = place.root / "etc_d"
    etc.mkdir()
    (place.var / "redis").symlink_to(etc)
    monkeypatch.setattr(Path, "is_symlink", lambda _path: False)

    with pytest.raises(PermissionError):
        place.write(place.var / "redis" / "redis.conf", "x")

    assert list(etc.iterdir()) == []


@as_root
def test_certificates_are_made_as_the_sites_user_and_lead_root_nowhere(
    place: Place, capfd: pytest.CaptureFixture[str]
) -> None:
    words = Namespace(verb="redis", var=place.var, folder=None, names=["192.0.2.1"])
    assert tls_command(words) == 0
    assert {one.stat().st_uid for one in (place.var / "redis").iterdir()} == {SITE}
    etc = place.root / "etc_d"
    etc.mkdir()
    (place.var / "redis").rename(place.var / "before")
    (place.var / "redis").symlink_to(etc)

    assert tls_command(words) == 1

    assert list(etc.iterdir()) == []
    assert "Permission denied" in capfd.readouterr().err
    # Another program's folder gets its own, and root's stays root's.
    assert tls_command(Namespace(verb="redis", var=place.var, folder=etc, names=["192.0.2.1"])) == 0
    assert {one.stat().st_uid for one in etc.iterdir()} == {0}


@as_root
def test_a_certificate_is_renewed_where_the_site_says_only_with_the_sites_rights(
    place: Place, capfd: pytest.CaptureFixture[str]
) -> None:
    etc = place.root / "etc_d"
    etc.mkdir()
    (place.var / "serving.json").write_text(
        '{"binds": ["::"], "port": 1, "tls": true, "certificate": null, "key": null, "hosts": [], '
        f'"var": "{etc}"}}'
    )

    assert tls_command(Namespace(verb="renew", var=place.var, folder=None, names=[])) == 1

    assert list(etc.iterdir()) == []


@as_root
def test_set_up_signs_redis_certificate_with_the_sites_rights(place: Place) -> None:
    manager: Any = SimpleNamespace(place=place)
    etc = place.root / "etc_d"
    etc.mkdir()
    (place.var / "redis").symlink_to(etc)

    with pytest.raises(PermissionError):
        Manager.make_certificate(manager, place.var / "redis", ("192.0.2.1",))

    assert list(etc.iterdir()) == []
    assert {one.lstat().st_uid for one in place.var.glob("ca.*")} == {SITE}
    (place.var / "redis").unlink()
    Manager.make_certificate(manager, place.var / "redis", ("192.0.2.1",))
    assert {one.stat().st_uid for one in (place.var / "redis").iterdir()} == {SITE}
