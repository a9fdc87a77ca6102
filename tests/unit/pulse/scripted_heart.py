"""A heart that decides nothing: it says what a test wants, and keeps what pulse says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from lvs.pulse.heart.messages import SOCKET, VERSION, Message, decode, encode
from tests.unit.pulse.world import until


class ScriptedHeart:
    """Listens as the heart of pulse's state folder does.

    role: repeated after the first settings of each connection; None: nothing is. heard: what pulse said, but
    for its beats. answers: what orders are answered with.
    """

    def __init__(self, role: str | None = None, version: int = VERSION) -> None:
        self.role = role
        self.version = version
        self.heard: list[Message] = []
        self.beats = 0
        self.connections = 0
        self.answers: Message | None = {"ok": True, "message": "done"}
        self.leaves = True  # when it is told to
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []

    async def open(self, folder: Path) -> None:
        (folder / SOCKET).unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, folder / SOCKET)

    def close(self) -> None:
        """As sudden as kill -9."""
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            writer.close()
        self._server, self._writers = None, []

    def say(self, say: str, **message: object) -> None:
        self._writers[-1].write(encode({"say": say, **message}))

    def said(self, kind: str) -> list[Message]:
        """What pulse said of this kind, oldest first."""
        return [message for message in self.heard if message["say"] == kind]

    async def told(self, kind: str, times: int = 1) -> Message:
        """The last message of this kind, when there have been so many."""
        await until(lambda: len(self.said(kind)) >= times)
        return self.said(kind)[-1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.CancelledError):  # the end of a test
            await self._converse(reader, writer)
        writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        self.say("hello", version=self.version, pid=1, role=None, reason="", since=0)
        greeted = False
        while line := await reader.readline():
            message = decode(line)
            if message["say"] == "beat":
                self.beats += 1
                continue
            self.heard.append(message)
            if message["say"] == "settings" and not greeted and self.role is not None:
                greeted = True
                self.say("role", role=self.role, reason="as before", soft=False)
            if message["say"] == "order" and self.answers is not None:
                self.say("answer", id=message["id"], **self.answers)
            if message["say"] == "leave" and self.leaves:
                return


@asynccontextmanager
async def heart(
    folder: Path, role: str | None = None, version: int = VERSION
) -> AsyncIterator[ScriptedHeart]:
    scripted = ScriptedHeart(role, version)
    await scripted.open(folder)
    try:
        yield scripted
    finally:
        scripted.close()
