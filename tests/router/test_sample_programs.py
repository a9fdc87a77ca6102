"""The sample programs for checks, deploy/checks: up is status 0, and down says why; over IPv4 and IPv6."""

from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from lvs.config.program import program_words
from lvs.nanny.programs import find
from lvs.nanny.uptime import load_average
from tests.programs import program_folder

SAMPLES = Path(__file__).parents[2] / "deploy" / "checks"
TIMEOUT = "0.5"

Serve = Callable[[socket.socket], None]


@contextmanager
def tcp(serve: Serve, host: str = "127.0.0.1") -> Iterator[str]:
    """A server that serves one connection; gives its port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as listening:
        listening.settimeout(20)

        def answer() -> None:
            with suppress(OSError), listening.accept()[0] as opened:
                serve(opened)

        thread = threading.Thread(target=answer)
        thread.start()
        yield str(listening.getsockname()[1])
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        thread.join()


@contextmanager
def udp(answer: Callable[[bytes], bytes | None], host: str = "127.0.0.1") -> Iterator[str]:
    """A server that answers one datagram; gives its port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as opened:
        opened.bind((host, 0))
        opened.settimeout(20)

        def serve() -> None:
            question, client = opened.recvfrom(4096)
            said = answer(question) if question else None
            if said is not None:
                opened.sendto(said, client)

        thread = threading.Thread(target=serve)
        thread.start()
        port = opened.getsockname()[1]
        yield str(port)
        with socket.socket(family, socket.SOCK_DGRAM) as end:
            end.sendto(b"", (host, port))
        thread.join()


def closed_port() -> str:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return str(opened.getsockname()[1])


def run(name: str, *arguments: str, path: str = "/usr/bin:/bin") -> tuple[int, str, str]:
    done = subprocess.run(
        [SAMPLES / name, *arguments],
        env={"PATH": path, "LANG": "C.UTF-8", "PIRANHA_CHECK_TIMEOUT": TIMEOUT},
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    return done.returncode, done.stdout.strip(), done.stderr.strip()


def says(*lines: bytes, reads: bool = True) -> Serve:
    """Says each line, and waits for one of the client's in between."""

    def serve(opened: socket.socket) -> None:
        with opened.makefile("rb") as heard:
            for number, line in enumerate(lines):
                if number and reads:
                    heard.readline()
                opened.sendall(line)
            heard.readline()

    return serve


def http(*answer: bytes, heard: list[bytes] | None = None) -> Serve:
    def serve(opened: socket.socket) -> None:
        request = b""
        while not request.endswith(b"\r\n\r\n"):
            request += opened.recv(1024)
        if heard is not None:
            heard.append(request)
        for part in answer:
            opened.sendall(part)

    return serve


def silent(opened: socket.socket) -> None:
    opened.settimeout(20)
    while opened.recv(1024):
        pass


# ---- http


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", 0, "status 200"),
        (b"HTTP/1.0 302 Found\r\nLocation: /\r\n\r\n", 0, "status 302"),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", 1, "status 404"),
        (b"HTTP/1.1 503 Busy\r\n\r\n", 1, "status 503"),
        (b"SSH-2.0-OpenSSH\r\n", 1, "no answer in HTTP: b'SSH-2.0-OpenSSH'"),
        (b"", 1, "no answer in HTTP: b''"),
    ],
)
def test_http_is_up_with_a_good_status_only(answer: bytes, status: int, words: str) -> None:
    with tcp(http(answer)) as port:
        returned, out, errors = run("http", "127.0.0.1", port)
    assert (returned, out or errors) == (status, words)


def test_http_asks_for_the_path_as_the_host_that_it_is_told_and_over_ipv6() -> None:
    heard: list[bytes] = []
    with tcp(http(b"HTTP/1.1 2", b"04 No Content\r\n\r\n", heard=heard), "::1") as port:
        assert run("http", "::1", port, "/health", "shop.example.com")[0] == 0
    assert heard[0].startswith(b"GET /health HTTP/1.0\r\nHost: shop.example.com\r\n")
    with tcp(http(b"HTTP/1.1 200 OK\r\n\r\n", heard=heard), "::1") as port:
        assert run("http", "::1", port)[0] == 0
    assert heard[1].startswith(b"GET / HTTP/1.0\r\nHost: [::1]\r\n")


# ---- smtp and ftp


@pytest.mark.parametrize(
    ("lines", "status", "words"),
    [
        ((b"220 ready\r\n", b"250-mail\r\n250 SIZE\r\n"), 0, "greets, and takes EHLO"),
        ((b"220-mail\r\n220 ready\r\n", b"250 mail\r\n"), 0, "greets, and takes EHLO"),
        ((b"554 go away\r\n",), 1, "expected 220, got b'554 go away'"),
        ((b"220 ready\r\n", b"502 what?\r\n"), 1, "expected 250, got b'502 what?'"),
    ],
)
def test_smtp_is_up_when_it_greets_and_takes_ehlo(lines: tuple[bytes, ...], status: int, words: str) -> None:
    with tcp(says(*lines), "::1") as port:
        returned, out, errors = run("smtp", "::1", port)
    assert (returned, out or errors) == (status, words if status == 0 else f"::1 port {port}: {words}")


@pytest.mark.parametrize(
    ("lines", "login", "status", "words"),
    [
        ((b"220 ready\r\n",), (), 0, "greets"),
        ((b"220-hello\r\n all\r\n220 ready\r\n",), (), 0, "greets"),
        ((b"421 too many\r\n",), (), 1, "expected 220, got b'421 too many'"),
        (
            (b"220 ready\r\n", b"331 password\r\n", b"230 in\r\n"),
            ("ftp", "me"),
            0,
            "greets, and lets ftp in",
        ),
        ((b"220 ready\r\n", b"230 in\r\n"), ("ftp", "me"), 0, "greets, and lets ftp in"),
        (
            (b"220 ready\r\n", b"331 password\r\n", b"530 no\r\n"),
            ("ftp", "me"),
            1,
            "expected 230, got b'530 no'",
        ),
        ((b"220 ready\r\n", b"530 no\r\n"), ("ftp", "me"), 1, "expected 230 or 331, got b'530 no'"),
    ],
)
def test_ftp_is_up_when_it_greets_and_lets_in(
    lines: tuple[bytes, ...], login: tuple[str, ...], status: int, words: str
) -> None:
    with tcp(says(*lines), "::1") as port:
        returned, out, errors = run("ftp", "::1", port, *login)
    assert (returned, out or errors) == (status, words if status == 0 else f"::1 port {port}: {words}")


# ---- dns


def reply(question: bytes, *records: tuple[int, bytes], code: int = 0) -> bytes:
    """The answer to question with records of these types and contents."""
    header = question[:2] + struct.pack("!5H", 0x8180 | code, 1, len(records), 0, 0)
    found = (
        b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 60, len(content)) + content for kind, content in records
    )
    return header + question[12:] + b"".join(found)


ADDRESS = (1, bytes(4))
ALIAS = (5, b"\x03www\xc0\x0c")


def test_dns_is_up_when_the_name_has_a_record_of_that_type() -> None:
    with udp(lambda question: reply(question, ALIAS, ADDRESS, ADDRESS)) as port:
        assert run("dns", "127.0.0.1", port, "www.example.com") == (0, "2 A of www.example.com", "")
    with udp(lambda question: reply(question, (28, bytes(16))), "::1") as port:
        assert run("dns", "::1", port, "www.example.com.", "AAAA")[0] == 0


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda question: reply(question, code=3), "no such name"),
        (lambda question: reply(question, code=2), "server failure"),
        (lambda question: reply(question), "no A record of www.example.com"),
        (lambda question: reply(question, ALIAS), "no A record of www.example.com"),
        (lambda question: reply(question, ADDRESS)[:-14], "the answer is cut off"),
        (lambda question: b"\0\0" + reply(question, ADDRESS)[2:], "timed out"),
        (lambda question: question, "timed out"),
        (lambda question: None, "timed out"),
    ],
)
def test_dns_is_down_without_a_record_or_an_answer_of_its_own(
    answer: Callable[[bytes], bytes | None], words: str
) -> None:
    with udp(answer) as port:
        status, out, errors = run("dns", "127.0.0.1", port, "www.example.com")
    assert (status, out) == (1, "")
    assert errors == f"127.0.0.1 port {port}: {words}"


# ---- all of them

ARGUMENTS = {"http": (), "smtp": (), "ftp": (), "dns": ("www.example.com",)}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_a_dead_server_is_down_with_its_reason(name: str) -> None:
    status, out, errors = run(name, "127.0.0.1", closed_port(), *ARGUMENTS[name])
    assert (status, out) == (1, "")
    assert "Connection refused" in errors


@pytest.mark.parametrize("name", ["http", "smtp", "ftp"])
def test_a_silent_server_is_down_before_the_router_ends_the_program(name: str) -> None:
    with tcp(silent) as port:
        status, out, errors = run(name, "127.0.0.1", port)
    assert (status, out) == (1, "")
    assert "timed out" in errors


@pytest.mark.parametrize("name", ["smtp", "ftp"])
def test_a_server_that_closes_without_a_word_is_down(name: str) -> None:
    with tcp(lambda opened: None) as port:
        status, _, errors = run(name, "127.0.0.1", port)
    assert (status, errors) == (1, f"127.0.0.1 port {port}: the connection was closed")


@pytest.mark.parametrize("name", [*ARGUMENTS, "uptime"])
def test_without_its_arguments_a_program_says_how_it_is_used_and_nothing_is_up(name: str) -> None:
    status, out, errors = run(name)
    assert (status, out) == (2, "")
    assert errors.startswith(f"usage: {name} ADDRESS")


@pytest.mark.parametrize("name", [*ARGUMENTS, "uptime"])
def test_each_may_be_run_where_it_is_copied_to(name: str) -> None:
    with program_folder() as folder:
        shutil.copy(SAMPLES / name, folder)
        assert find(name, folder) == str(folder / name)


@pytest.mark.parametrize("name", ARGUMENTS)
def test_each_says_what_to_write_in_lvs_cf(name: str) -> None:
    text = (SAMPLES / name).read_text()
    example = text.partition('send_program = "')[2].partition('"')[0]
    assert program_words(example)[:3] == (name, "%h", "%p")


# ---- uptime

SSH = """#!/bin/sh
echo "$@" > "$0.said"
echo " 10:02:11 up 3 days, 1 user,  load average: 0.52, 0.58, 0.59"
"""


def test_uptime_asks_over_ssh_with_the_key_beside_it_and_never_for_a_password(tmp_path: Path) -> None:
    ssh = tmp_path / "ssh"
    ssh.write_text(SSH)
    ssh.chmod(0o755)
    status, out, errors = run("uptime", "2001:db8::1", path=f"{tmp_path}:/usr/bin:/bin")
    assert (status, errors) == (0, "")
    assert load_average(out.encode()) == 0.52
    said = (tmp_path / "ssh.said").read_text().split()
    assert said[-3:] == ["--", "2001:db8::1", "uptime"]
    assert f"{SAMPLES}/ssh/key" in said
    assert "BatchMode=yes" in said
    assert "StrictHostKeyChecking=yes" in said


def test_uptime_of_a_machine_that_cannot_be_asked_ends_with_sshs_status(tmp_path: Path) -> None:
    ssh = tmp_path / "ssh"
    ssh.write_text("#!/bin/sh\necho 'Host key verification failed.' >&2\nexit 255\n")
    ssh.chmod(0o755)
    status, out, errors = run("uptime", "10.0.0.1", path=f"{tmp_path}:{os.defpath}")
    assert (status, out, errors) == (255, "", "Host key verification failed.")
