"""The web server, gunicorn with our worker: TLS, a certificate that changes, clients that never speak."""

from __future__ import annotations

import base64
import hashlib
import http.client
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deploy.start.place import free_port
from piranha_web.tls import making
from tests.conftest import eventually

GUNICORN = Path(sys.executable).parent / "gunicorn"
PROJECT = Path(__file__).resolve().parents[2]
SITE = """
def application(environ, start):
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    start("200 OK", [("Content-Type", "text/plain")])
    return [f"{environ['wsgi.url_scheme']} {environ['PATH_INFO']} {len(body)}".encode()]
"""


QUICK = b"GET /quick HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


class Server:
    """A web server with a site that says how it was asked; two processes of two threads each."""

    site = SITE

    def __init__(self, folder: Path, **variables: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.log = folder / "log"
        (folder / "asked.py").write_text(self.site)
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PIRANHA_")},
            "PYTHONPATH": f"{folder}:{PROJECT}",
            "PIRANHA_VAR": str(folder / "var"),
            "PIRANHA_PORT": str(self.port),
            "PIRANHA_WEB_THREADS": "2",
            **variables,
        }
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [GUNICORN, "-c", "python:piranha_web.gunicorn_conf", "asked"],
                cwd=folder,
                env=environment,
                stdout=log,
                stderr=log,
            )

    @property
    def text(self) -> str:
        """What it has printed."""
        return self.log.read_text()

    def begun(self) -> Server:
        """Waits until both processes run."""
        eventually(lambda: self.text.count("Booting worker") == 2, "the web server runs")
        return self

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)

    def connect(self) -> socket.socket:
        """A connection that has said nothing."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def ask(self, path: str = "/", method: str = "GET", body: bytes = b"") -> str:
        """What the site answers by TLS."""
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.port, timeout=20, context=ssl._create_unverified_context()
        )
        connection.request(method, path, body)
        try:
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def certificate(self) -> bytes:
        """What a new connection is shown."""
        return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", self.port)))

    def said(self, words: bytes) -> bytes:
        """All that it answers to these words, by plain TCP."""
        with self.connect() as one:
            one.sendall(words)
            return b"".join(iter(lambda: one.recv(4096), b""))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def server(folder: Path) -> Iterator[Server]:
    one = Server(folder, PIRANHA_TLS="on")
    yield one.begun()
    one.stop()


def test_the_own_certificate_is_made_and_its_fingerprint_printed_and_shown(server: Server) -> None:
    digits = hashlib.sha256(server.certificate()).hexdigest().upper()
    printed = re.search(r"made just now \(there was none\); SHA-256 ([0-9A-F:]{95})", server.text)
    assert printed
    assert printed[1].replace(":", "") == digits
    assert (server.folder / "var" / "tls.pem").stat().st_mode & 0o777 == 0o600


def test_requests_come_by_tls_whole_and_several_on_one_connection(server: Server) -> None:
    assert server.ask("/a") == "https /a 0"
    assert server.ask("/b", "POST", b"x" * 1_000_000) == "https /b 1000000"
    context = ssl._create_unverified_context()
    with context.wrap_socket(server.connect()) as one:
        one.sendall(b"GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\nGET /3 HT")
        one.sendall(b"TP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answers = b"".join(iter(lambda: one.recv(4096), b""))
    assert [word for word in (b"https /1 0", b"https /2 0", b"https /3 0") if word in answers] == [
        b"https /1 0",
        b"https /2 0",
        b"https /3 0",
    ]


def test_clients_that_never_speak_keep_nobody_waiting(server: Server) -> None:
    """Silent, in the middle of the handshake, in the middle of a line: many more of each than threads."""
    context = ssl._create_unverified_context()
    with ExitStack() as held:
        for _ in range(20):
            held.enter_context(server.connect())
            half = held.enter_context(server.connect())
            half.sendall(b"\x16\x03\x01\x02")
        for _ in range(12):
            shaken = held.enter_context(context.wrap_socket(server.connect()))
            shaken.sendall(b"GET / HTTP/1.1\r\nX-Slow: ")
        for _ in range(5):
            assert server.ask("/quick") == "https /quick 0"
    assert "Traceback" not in server.text


class Hurried(Server):
    """One that waits for the body of a request for a moment only."""

    site = "import piranha_web.tls.worker\npiranha_web.tls.worker.BODY = 2.0\n" + SITE


def goes_on(one: socket.socket) -> bool:
    """Sends a byte more of a body; whether the server still waits for the next one."""
    one.settimeout(0.1)
    try:
        one.sendall(b"x")
        one.recv(100)
    except TimeoutError:
        return True
    except OSError:  # it was cut off
        return False
    return False


@pytest.mark.parametrize("tls", ["on", "off"])
def test_who_drips_a_body_byte_by_byte_holds_no_thread_for_ever(folder: Path, tls: str) -> None:
    server = Hurried(folder, PIRANHA_TLS=tls, PIRANHA_WEB_WORKERS="1")
    eventually(lambda: "Booting worker" in server.text, "the web server runs")
    context = ssl._create_unverified_context()
    head = b"POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"
    try:
        with ExitStack() as held:
            drips = []
            for _ in range(2):  # as many as there are threads
                plain = held.enter_context(server.connect())
                line = held.enter_context(context.wrap_socket(plain)) if tls == "on" else plain
                line.sendall(head + b"x")
                drips.append(line)
            # A byte now and then, until the server has had enough of each.
            eventually(lambda: not [one for one in drips if goes_on(one)], "nobody drips any more", 60)
            asked = server.ask("/quick") if tls == "on" else server.said(QUICK).decode()
        assert "/quick 0" in asked
    finally:
        server.stop()


def test_what_is_no_tls_and_no_request_does_no_harm(server: Server) -> None:
    for words in (b"\x16\x03\x01\x00\x05hello", b"\x80\x2e\x01", b"\x00" * 100, b"\r\n\r\n", b"\x15\x03"):
        with server.connect() as one, suppress(OSError):  # a connection that was cut is an answer, too
            one.sendall(words)
            one.shutdown(socket.SHUT_WR)
            assert b"200" not in b"".join(iter(lambda sock=one: sock.recv(4096), b""))  # type: ignore[misc]
    assert server.ask() == "https / 0"
    assert "Traceback" not in server.text


def test_a_head_without_an_end_is_refused(server: Server) -> None:
    with ssl._create_unverified_context().wrap_socket(server.connect()) as one:
        # Just too long: were anything left unread, the answer could be lost to a reset connection.
        one.sendall(b"GET / HTTP/1.1\r\nX: " + b"y" * 66_000)
        assert one.recv(100).startswith(b"HTTP/1.1 431 ")


def test_plain_http_is_led_to_https_but_never_with_a_form(server: Server) -> None:
    read = server.said(b"GET /a?b=1 HTTP/1.1\r\nHost: lb.example.org:3636\r\n\r\n")
    assert b"307 Temporary Redirect" in read
    assert b"Location: https://lb.example.org:3636/a?b=1\r\n" in read
    for words in (
        b"POST /login HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: evil/\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        b"GET http://evil/ HTTP/1.1\r\nHost: x\r\n\r\n",
    ):
        said = server.said(words)
        assert b"400 Bad Request" in said, words
        assert b"Location" not in said
        assert b"https://" in said


def test_no_forwarding_header_is_believed_by_the_web_server_itself(folder: Path) -> None:
    one = Server(folder).begun()
    try:
        said = one.said(b"GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-Proto: https\r\nConnection: close\r\n\r\n")
        assert b"http / 0" in said
    finally:
        one.stop()


def test_nobody_writes_a_line_of_their_own_into_the_log_of_requests(folder: Path) -> None:
    one = Server(folder).begun()
    try:
        forged = "x\n2026-01-01 INFO piranha.audit\x1b[2J\x9b\u202e"
        name = base64.b64encode(f"{forged}:x".encode()).decode()
        head = f"Authorization: Basic {name}\r\nReferer: http://x/\x9b\r\nHost: x\r\nConnection: close\r\n"
        one.said(f"GET /login/by/return?code=SECRET HTTP/1.1\r\n{head}\r\n".encode("latin-1"))
        eventually(lambda: "/login/by/return" in one.text, "the request is logged")
    finally:
        one.stop()
    (line,) = [line for line in one.text.splitlines() if "/login/by/return" in line]
    assert "x\\n2026-01-01 INFO piranha.audit\\x1b[2J\\x9b\\u202e" in line
    assert line.isprintable()
    assert "SECRET" not in one.text


def brought(folder: Path, name: str) -> bytes:
    """An administrator's certificate and key in one file; what a client is to see of it."""
    made, key = making.self_signed([name], datetime.now(UTC))
    making.write(folder / "brought.pem", making.pem_of_key(key) + making.pem(made))
    return ssl.PEM_cert_to_DER_cert(making.pem(made).decode())


def test_a_certificate_that_changes_is_shown_without_a_restart_and_a_broken_one_is_not(folder: Path) -> None:
    first = brought(folder, "one.example.org")
    one = Server(folder, PIRANHA_TLS="on", PIRANHA_TLS_CERT=str(folder / "brought.pem")).begun()
    try:
        assert one.certificate() == first
        second = brought(folder, "two.example.org")
        eventually(lambda: all(one.certificate() == second for _ in range(6)), "the new one is shown")
        (folder / "brought.pem").write_text("oops")
        eventually(
            lambda: bool(one.certificate()) and "is kept" in one.text, "the broken one is complained about"
        )
        assert one.certificate() == second
        assert one.ask("/still") == "https /still 0"
    finally:
        one.stop()


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"PIRANHA_BIND": "0.0.0.0", "PIRANHA_TLS": "off"}, "everybody on the way would read the passwords"),
        ({"PIRANHA_TLS": "on", "PIRANHA_TLS_CERT": "/nowhere/cert.pem"}, "/nowhere/cert.pem cannot be read"),
    ],
)
def test_what_cannot_be_served_ends_with_one_sentence(
    folder: Path, variables: dict[str, str], sentence: str
) -> None:
    one = Server(folder, **variables)
    assert one.process.wait(20) != 0
    assert sentence in one.text
    assert "Traceback" not in one.text
