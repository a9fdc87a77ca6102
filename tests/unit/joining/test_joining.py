"""The router's side of enrolling, against servers that are not the manager, or that say something else."""

from __future__ import annotations

import io
import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from deploy.start.place import free_port
from lvs.machines import signing, worker_file
from lvs.machines.invitation import Invitation
from lvs.machines.joining import NotJoined, OtherCertificate, join, join_command, remarks_on
from piranha_web.tls import making

SECRET = bytes(range(32))
KEY = signing.public_text(Ed25519PrivateKey.generate())


class Server:
    """Somebody with a certificate, and what was said to them."""

    def __init__(self, folder: Path, name: str, status: int = 200, body: bytes | None = None) -> None:
        made, key = making.self_signed([name], datetime.now(UTC))
        making.write(folder / f"{name}.pem", making.pem_of_key(key) + making.pem(made))
        self.fingerprint = made.fingerprint(hashes.SHA256()).hex()
        self.heard: list[dict[str, object]] = []
        said, heard = body, self.heard

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                heard.append({"path": self.path, **json.loads(self.rfile.read(length))})
                answer = said if said is not None else json.dumps(document()).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *words: object) -> None:
                """Nothing on the terminal of the tests."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / f"{name}.pem")
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.address = f"https://127.0.0.1:{self.server.server_address[1]}"


@contextmanager
def running(server: Server) -> Iterator[Server]:
    thread = threading.Thread(target=server.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.server.shutdown()
        thread.join()
        server.server.server_close()


def document(**changes: object) -> dict[str, object]:
    return {
        "router": "r1",
        "broker_url": "rediss://router.r1:secret@192.0.2.1:6380/0",
        "manager_keys": [KEY],
        "ca": "PEM",
        "serial": 17,
        "now": time.time(),
        **changes,
    }


def invitation(*servers: Server, fingerprint: str = "", router: str = "r1") -> Invitation:
    return Invitation(
        addresses=tuple(one.address for one in servers),
        fingerprint=fingerprint or servers[-1].fingerprint,
        router=router,
        secret=SECRET,
    )


def test_what_the_manager_says_is_in_the_workers_file_for_its_owner_alone(tmp_path):
    with running(Server(tmp_path, "manager")) as manager:
        joined = join(invitation(manager), tmp_path / "worker" / "worker.json", time.time())

    assert manager.heard == [{"path": "/enrol", "router": "r1", "secret": SECRET.hex()}]
    assert joined.remarks == ()
    found = worker_file.read(tmp_path / "worker" / "worker.json")
    assert found == joined.file
    assert found.broker_url == "rediss://router.r1:secret@192.0.2.1:6380/0"
    assert (tmp_path / "worker" / "worker.json").stat().st_mode & 0o777 == 0o600
    assert worker_file.serials_of(tmp_path / "worker" / "worker.json").exists()


def test_somebody_in_between_with_another_certificate_hears_nothing(tmp_path):
    with running(Server(tmp_path, "between")) as between, running(Server(tmp_path, "manager")) as manager:
        with pytest.raises(OtherCertificate, match="nothing was told to them"):
            join(invitation(between, fingerprint=manager.fingerprint), tmp_path / "w.json", time.time())
        assert between.heard == []
        assert not (tmp_path / "w.json").exists()


def test_an_address_that_is_somebody_elses_does_not_keep_the_router_from_the_manager(tmp_path):
    with running(Server(tmp_path, "other")) as other, running(Server(tmp_path, "manager")) as manager:
        join(invitation(other, manager), tmp_path / "w.json", time.time())
        assert other.heard == []
        assert len(manager.heard) == 1


def test_a_manager_that_refuses_is_quoted(tmp_path):
    body = b"This token was used on 2030-01-31. Have a new one made.\n"
    with (
        running(Server(tmp_path, "manager", 410, body)) as manager,
        pytest.raises(NotJoined, match="was used on 2030-01-31"),
    ):
        join(invitation(manager), tmp_path / "w.json", time.time())
    assert not (tmp_path / "w.json").exists()


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b"{}", b"<html>", b"\xff" * 100, b"[" * 60_000,
     json.dumps(document(serial="x")).encode(), json.dumps(document(manager_keys=7)).encode(),
     json.dumps(document(router="r2")).encode(), json.dumps(document(manager_keys=["?"])).encode()],
)  # fmt: skip
def test_an_answer_that_is_none_leaves_no_file(tmp_path, body):
    with running(Server(tmp_path, "manager", 200, body)) as manager, pytest.raises(NotJoined):
        join(invitation(manager), tmp_path / "w.json", time.time())
    assert not (tmp_path / "w.json").exists()


def test_nobody_there_is_said_with_the_way_to_name_another_address(tmp_path):
    one = Invitation(
        addresses=(f"https://127.0.0.1:{free_port()}",), fingerprint="ab" * 32, router="r1", secret=SECRET
    )
    with pytest.raises(NotJoined, match="--address"):
        join(one, tmp_path / "w.json", time.time())


def test_clocks_that_differ_and_a_way_without_tls_are_pointed_out():
    file = worker_file.WorkerFile(router="r1", broker_url="redis://x", manager_keys=(KEY,))
    said = remarks_on(file, at=1000.0, now=1100.0)
    assert "100 s ahead of the manager's" in said[0]
    assert "without TLS" in said[1]
    assert "behind" in remarks_on(file, at=1100.0, now=1000.0)[0]


def test_a_machine_that_is_another_router_keeps_its_token_until_it_is_told_to_change(tmp_path, capsys):
    with running(Server(tmp_path, "manager")) as manager:
        join(invitation(manager), tmp_path / "w.json", time.time())
        other = invitation(manager, router="r2")
        assert join_command(other.token, tmp_path / "w.json", anyway=False) == 1
        assert len(manager.heard) == 1
        assert "it is the router r1" in capsys.readouterr().err
        assert join_command(other.token, tmp_path / "w.json", anyway=True) == 1  # this manager says r1 to all
        assert len(manager.heard) == 2


def test_a_folder_that_cannot_be_written_is_found_before_the_token_is_used(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    with running(Server(tmp_path, "manager")) as manager:
        assert join_command(invitation(manager).token, tmp_path / "file" / "w.json", anyway=False) == 1
        assert manager.heard == []
    assert "cannot be made" in capsys.readouterr().err


def test_the_command_reads_the_token_also_from_standard_input(tmp_path, capsys, monkeypatch):
    with running(Server(tmp_path, "manager")) as manager:
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{invitation(manager).token}\n"))
        assert join_command("-", tmp_path / "w.json", anyway=False) == 0
    assert f"piranha worker --router r1 --file {tmp_path}/w.json" in capsys.readouterr().out
    assert join_command("nonsense", tmp_path / "w.json", anyway=False) == 2


def test_what_the_manager_says_cannot_steer_the_terminal(tmp_path, capsys):
    with running(Server(tmp_path, "manager", 404, b"\x1b]0;owned\x07 no\n")) as manager:
        assert join_command(invitation(manager).token, tmp_path / "w.json", anyway=False) == 1
    assert "\x1b" not in capsys.readouterr().err
