"""The control socket: who is heard, what is answered, and that nobody can hang it."""

from __future__ import annotations

import asyncio
import json
import os
import select
import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from lvs.config.model import Problem, Severity
from lvs.errors import InvalidConfig, KernelError, PulseUnreachable, RouterError, StaleSerial
from lvs.pulse.client import PulseClient
from lvs.pulse.control import ControlServer
from lvs.pulse.wire import MAX_LINE, encoded

Calls = dict[str, Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]]

ME = frozenset({os.getuid()})


async def echo(request: Mapping[str, Any]) -> Mapping[str, Any]:
    return dict(request)


def failing(error: Exception) -> Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]:
    async def fail(request: Mapping[str, Any]) -> Mapping[str, Any]:
        raise error

    return fail


def served(
    folder: Path,
    calls: Calls,
    question: Callable[[Path], Any],
    *,
    allowed: frozenset[int] = ME,
    patience: float = 5,
) -> Any:
    """What question, asked in another thread of a server with calls, answers."""

    async def serve() -> Any:
        server = ControlServer(folder / "pulse.sock", calls, allowed, patience=patience)
        await server.start()
        try:
            return await asyncio.to_thread(question, folder / "pulse.sock")
        finally:
            await server.close()

    return asyncio.run(serve())


def raw(path: Path, sent: bytes) -> list[dict[str, Any]]:
    """The answers to what was sent, until the server hangs up or has answered each line."""
    with socket.socket(socket.AF_UNIX) as opened:
        opened.settimeout(10)
        opened.connect(str(path))
        opened.sendall(sent)
        opened.shutdown(socket.SHUT_WR)
        with opened.makefile("rb") as lines:
            return [json.loads(line) for line in lines]


def test_each_line_is_answered_in_turn(tmp_path: Path) -> None:
    answers = served(
        tmp_path, {"echo": echo}, lambda path: raw(path, b'{"call": "echo", "n": 1}\n{"call": "echo"}\n')
    )
    assert answers == [
        {"ok": True, "result": {"call": "echo", "n": 1}},
        {"ok": True, "result": {"call": "echo"}},
    ]


@pytest.mark.parametrize(
    "sent",
    [
        b"not json\n",
        b"[1]\n",
        b"null\n",
        b'{"call": "reboot"}\n',
        b'{"call": ["x"]}\n',
        b"[" * 100_000 + b"\n",
    ],
    ids=["text", "list", "null", "unknown call", "call that is a list", "nested too deep"],
)
def test_garbage_gets_a_refusal_and_the_connection_goes_on(tmp_path: Path, sent: bytes) -> None:
    answers = served(tmp_path, {"echo": echo}, lambda path: raw(path, sent + b'{"call": "echo"}\n'))
    assert [answer["ok"] for answer in answers] == [False, True]
    assert answers[0]["error"]["kind"] == "RouterError"


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (answer,) = served(tmp_path, {"echo": echo}, lambda path: raw(path, b"\xff\xfe\n"))
    assert not answer["ok"]


def test_a_line_without_an_end_is_dropped(tmp_path: Path) -> None:
    assert served(tmp_path, {"echo": echo}, lambda path: raw(path, b'{"call": "echo"}')) == []


def test_a_request_that_is_too_long_is_refused(tmp_path: Path) -> None:
    def ask(path: Path) -> dict[str, Any]:
        with socket.socket(socket.AF_UNIX) as opened:
            opened.settimeout(10)
            opened.connect(str(path))
            try:
                for _ in range(MAX_LINE // 65536 + 10):
                    opened.sendall(b"x" * 65536)
            except (BrokenPipeError, ConnectionResetError):
                pass  # refused in the middle, as hoped
            with opened.makefile("rb") as lines:
                answer: dict[str, Any] = json.loads(lines.readline())
                return answer

    assert "long at most" in served(tmp_path, {"echo": echo}, ask)["error"]["message"]


def test_a_large_request_and_answer_go_through(tmp_path: Path) -> None:
    text = "# comment\n" * 800_000
    assert served(tmp_path, {"plan": echo}, lambda path: PulseClient(path).plan(text))["lvs_cf"] == text


def test_silent_and_slow_clients_are_hung_up_on_and_do_not_hold_up_others(tmp_path: Path) -> None:
    async def big(request: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"text": "x" * 4_000_000}

    def ask(path: Path) -> tuple[bytes, bool]:
        with socket.socket(socket.AF_UNIX) as silent, socket.socket(socket.AF_UNIX) as slow:
            for opened in (silent, slow):
                opened.settimeout(10)
                opened.connect(str(path))
            slow.sendall(b'{"call": "running"}\n')  # and never reads the answer
            assert PulseClient(path).status() == {"call": "status"}
            poll = select.poll()
            poll.register(slow, 0)  # reports nothing but a hang-up
            return silent.recv(1), bool(poll.poll(10_000))

    assert served(tmp_path, {"status": echo, "running": big}, ask, patience=0.2) == (b"", True)


def test_another_user_is_told_so_and_nothing_is_done(tmp_path: Path) -> None:
    def ask(path: Path) -> None:
        with pytest.raises(RouterError, match="--allow-user"):
            PulseClient(path).status()

    served(tmp_path, {"status": failing(AssertionError())}, ask, allowed=frozenset({os.getuid() + 1}))


@pytest.mark.parametrize(
    "error",
    [
        InvalidConfig(
            [Problem(message="port is missing: write port = 80", line=3, place=("virtual", "web"))]
        ),
        InvalidConfig([Problem(message="a", severity=Severity.WARNING), Problem(message="b", field="port")]),
        StaleSerial("serial 3 is older than the installed 5"),
        KernelError("add service tcp 192.0.2.1:80", "no such scheduler"),
    ],
)
def test_the_client_raises_the_error_that_pulse_raised(tmp_path: Path, error: Exception) -> None:
    def ask(path: Path) -> Exception:
        with pytest.raises(type(error)) as raised:
            PulseClient(path).install("text")
        return raised.value

    again = served(tmp_path, {"install": failing(error)}, ask)
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)


def test_a_fault_in_pulse_is_an_answer_and_not_the_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def ask(path: Path) -> dict[str, Any]:
        with pytest.raises(RouterError, match="ZeroDivisionError"):
            PulseClient(path).running()
        return PulseClient(path).status()

    calls: Calls = {"running": failing(ZeroDivisionError("x")), "status": echo}
    assert served(tmp_path, calls, ask) == {"call": "status"}
    assert "unexpected error" in caplog.text


def test_closing_ends_open_connections_and_removes_the_socket(tmp_path: Path) -> None:
    async def story() -> bytes:
        server = ControlServer(tmp_path / "pulse.sock", {"status": echo}, ME)
        await server.start()
        reader, writer = await asyncio.open_unix_connection(tmp_path / "pulse.sock")
        writer.write(b'{"call": "status"}\n')
        await reader.readline()
        await server.close()
        ended = await reader.read()
        writer.close()
        return ended

    assert asyncio.run(story()) == b""
    assert not (tmp_path / "pulse.sock").exists()


def test_a_socket_left_behind_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "pulse.sock"))
    assert served(tmp_path, {"status": echo}, lambda path: PulseClient(path).status()) == {"call": "status"}


# ---- the client against what is not pulse


def test_a_socket_that_another_pulse_listens_on_is_left_to_it(tmp_path: Path) -> None:
    def second(path: Path) -> str:
        with pytest.raises(OSError, match="another pulse listens there"):
            asyncio.run(ControlServer(path, {}, ME).start())
        return str(PulseClient(path, timeout=5).status()["call"])

    assert served(tmp_path, {"status": echo}, second) == "status"


def test_a_missing_socket_is_unreachable_and_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(PulseUnreachable, match="systemctl start pulse"):
        PulseClient(tmp_path / "none.sock").status()


def test_a_pulse_that_does_not_answer_is_unreachable_after_the_timeout(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen(1)
        with pytest.raises(PulseUnreachable, match=r"did not answer status within 0\.1 s"):
            PulseClient(tmp_path / "s", timeout=0.1).status()


@pytest.mark.parametrize("answer", [b"hello\n", b"{}\n", b"[]\n", b'{"ok": false}\n', b""])
def test_something_else_at_the_path_is_unreachable(tmp_path: Path, answer: bytes) -> None:
    async def story() -> None:
        async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readline()
            writer.write(answer)
            writer.close()

        server = await asyncio.start_unix_server(say, tmp_path / "s")
        async with server:
            with pytest.raises(PulseUnreachable):
                await asyncio.to_thread(PulseClient(tmp_path / "s").status)

    asyncio.run(story())


def test_a_client_waits_for_its_place_where_too_many_ask_at_once(tmp_path: Path) -> None:
    path = tmp_path / "pulse.sock"
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as other:
        busy.bind(str(path))
        busy.listen(0)
        other.connect(str(path))  # the queue is full, and nobody takes anything from it
        with pytest.raises(PulseUnreachable, match=r"did not answer status within 0\.2 s"):
            PulseClient(path, timeout=0.2).status()


@pytest.mark.root
@pytest.mark.parametrize(
    ("allowed", "found"), [({0}, (0, 0o600)), ({0, 4321}, (4321, 0o600)), ({0, 4321, 4322}, (0, 0o666))]
)
def test_where_the_files_mode_can_say_it_nobody_else_connects(
    tmp_path: Path, allowed: set[int], found: tuple[int, int]
) -> None:
    def ask(path: Path) -> tuple[int, int]:
        assert PulseClient(path).status() == {"call": "status"}
        return path.stat().st_uid, path.stat().st_mode & 0o777

    assert served(tmp_path, {"status": echo}, ask, allowed=frozenset(allowed)) == found


def test_an_answer_made_in_pieces_says_the_same() -> None:
    real_servers = [{"name": "ä\n", "weight": None, "counters": {"bytes_in": 2**60}}, {}]
    answer = {
        "ok": True,
        "result": {"now": 1.5, "virtual_servers": [{"real_servers": real_servers}], "x": []},
    }
    line = encoded(answer)
    assert line.endswith(b"}\n")
    assert line.count(b"\n") == 1
    assert json.loads(line) == answer
    assert line == json.dumps(answer, separators=(",", ":")).encode() + b"\n"
