"""The server of pulse's control socket: who may speak, and that nobody can hang it.

Who is at the other end is asked of the kernel (SO_PEERCRED), and only the allowed users are heard; where one
other user is allowed at most, nobody else can even connect. Each connection is served by itself, with limits
on the length of a line, on silence and on the number of connections.
"""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import os
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from lvs.errors import LvsError, RouterError
from lvs.pulse.peers import peer
from lvs.pulse.refusals import Refusals
from lvs.pulse.wire import MAX_LINE, encoded, error_to_wire

log = logging.getLogger(__name__)

Call = Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]

MAX_CONNECTIONS = 32  # of each user: one that holds all of its own keeps no other from being heard
# In a call: the number of the user at the other end, as the kernel knows it. Each connection is a task.
ASKED_BY: ContextVar[int | None] = ContextVar("ASKED_BY", default=None)


class ControlServer:
    """Answers on the socket at path with calls, a function for each name; raises OSError if it cannot listen.

    patience: seconds in which a client must send its next line, or take in its answer.
    """

    def __init__(
        self, path: Path, calls: Mapping[str, Call], allowed: frozenset[int], *, patience: float = 30
    ) -> None:
        self._path = path
        self._calls = calls
        self._allowed = allowed
        self._patience = patience
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[Any]] = set()
        self._open: Counter[int] = Counter()  # connections by user
        self._refusals = Refusals()
        self._closed = False

    async def start(self) -> None:
        """Listen. A socket file left behind is replaced; one that somebody listens on is an OSError."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
            if other.connect_ex(str(self._path)) == 0:
                raise OSError(errno.EADDRINUSE, "another pulse listens there")
        self._path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, self._path, limit=MAX_LINE, backlog=64)
        self._open_to_allowed()

    def _open_to_allowed(self) -> None:
        """Keeps other users from connecting at all, where the file's owner and mode can say who may.

        Else one of them could keep the queue full, and the log: that the peer's user is checked at each
        connection does not help against that.
        """
        others = self._allowed - {0, os.geteuid()}
        if len(others) <= 1:
            with suppress(PermissionError):  # only root may give a file away
                for uid in others:
                    os.chown(self._path, uid, -1)
                os.chmod(self._path, 0o600)
                return
        os.chmod(self._path, 0o666)  # noqa: S103 - who is heard is asked of the kernel, at each connection

    async def close(self) -> None:
        """Stop listening, end what is open, remove the socket's file."""
        self._closed = True
        if self._server is None:
            return
        self._server.close()
        for task in self._serving:
            task.cancel()
        if self._serving:
            await asyncio.wait(self._serving, timeout=5)
        self._refusals.sum_up()
        self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if self._closed or task is None:
            writer.close()
            return
        self._serving.add(task)
        try:
            await self._converse(reader, writer)
        except (OSError, asyncio.IncompleteReadError) as error:
            log.debug("a client of the control socket went away: %s", error)
        except asyncio.CancelledError:
            # Only close() cancels; the stream's own callback would report a cancelled task as a fault.
            log.debug("the control socket is being closed")
        finally:
            writer.close()
            self._serving.discard(task)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        uid = peer(writer.get_extra_info("socket")).uid
        ASKED_BY.set(uid)
        self._open[uid] += 1
        try:
            await self._answer_all(uid, reader, writer)
        finally:
            self._open[uid] -= 1

    async def _answer_all(self, uid: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        refusal = self._refusal(uid)
        if refusal is not None:
            self._refusals.note(refusal)
            await self._send(writer, _failed(RouterError(refusal)))
            return
        while True:
            try:
                async with asyncio.timeout(self._patience):
                    line = await reader.readline()
            except ValueError:
                message = f"a request may be {MAX_LINE} bytes long at most; this one was longer"
                await self._send(writer, _failed(RouterError(message)))
                return
            if not line.endswith(b"\n"):
                return
            await self._send(writer, await self._answer(line))

    def _refusal(self, uid: int) -> str | None:
        if uid not in self._allowed:
            return f"user {uid} may not talk to pulse. Start pulse with --allow-user NAME to permit it."
        if self._open[uid] > MAX_CONNECTIONS:
            return f"more than {MAX_CONNECTIONS} connections at once. Try again in a moment."
        return None

    async def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            request = json.loads(line)
        except (ValueError, RecursionError) as error:
            return _failed(RouterError(f"the request is not JSON: {error}. Send one JSON object a line."))
        call = self._calls.get(str(request.get("call"))) if isinstance(request, dict) else None
        if call is None:
            known = ", ".join(sorted(self._calls))
            return _failed(
                RouterError(
                    "this pulse has no such call. If it is older than what is installed: systemctl restart "
                    f"pulse (the kernel balances on). Known: {known}."
                )
            )
        try:
            return {"ok": True, "result": await call(request)}
        except LvsError as error:
            return _failed(error)
        except Exception as error:
            # A fault of ours in one answer must neither end pulse nor leave the client waiting.
            log.exception("the call %r ended in an unexpected error", request.get("call"))
            return _failed(
                RouterError(f"pulse failed at this: {type(error).__name__}: {error}. See pulse's log.")
            )

    async def _send(self, writer: asyncio.StreamWriter, answer: Mapping[str, Any]) -> None:
        writer.write(await asyncio.to_thread(encoded, answer))
        try:
            async with asyncio.timeout(self._patience):
                await writer.drain()
        except TimeoutError:
            # A plain close would keep the unsent answer, and its memory, for as long as the client sleeps.
            writer.transport.abort()
            raise


def _failed(error: LvsError) -> dict[str, Any]:
    return {"ok": False, "error": error_to_wire(error)}
