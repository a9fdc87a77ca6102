"""What the doctor asks of the machine itself: who answers at the pages' port, and the disks."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from piranha_web.doctor import of_machine
from piranha_web.doctor.findings import Level
from piranha_web.setup.place import Place

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n"


@pytest.mark.parametrize(
    ("host", "header"),
    [("192.0.2.1", b"192.0.2.1"), ("fd00:1::ab", b"[fd00:1::ab]"), ("::1", b"[::1]"), ("m.org", b"m.org")],
)
def test_the_site_is_asked_by_any_address_as_http_has_it(host: str, header: bytes) -> None:
    line, other = socket.socketpair()
    with line, other:
        other.sendall(OK)
        assert of_machine.ask(line, host) == (200, True)
        assert b"\r\nHost: " + header + b"\r\n" in other.recv(4096)


def test_each_disk_that_is_written_to_is_looked_at_once(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.var.mkdir(parents=True)
    (tmp_path / "etc/piranha").mkdir(parents=True)
    (tmp_path / of_machine.STATE.relative_to("/")).mkdir()
    found = list(of_machine.disk(place))
    assert {one.about for one in found} == {"disk"}
    assert [str(place.var) in one.what for one in found if one.level is not Level.FAULT] in ([True], [])


def test_a_clock_from_before_the_version_was_made_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_machine.time, "time", lambda: 100.0)
    (found,) = of_machine.clock()
    assert found.level is Level.FAULT
    assert "1970-01-01" in found.what
