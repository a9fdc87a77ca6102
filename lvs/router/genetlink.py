"""A netlink socket: many requests in one send, an error for each, whole dumps; and one for generic netlink.

Generic netlink carries the kernel's IPVS table (Linux Documentation/userspace-api/netlink/intro.rst,
include/uapi/linux/{netlink,genetlink}.h), rtnetlink the addresses. Two habits make it fast. Requests
travel in batches, and only the last one of a batch asks for an acknowledgement: the kernel answers a
request that fails whether asked to or not, in order, so silence before that acknowledgement is success.
And what a dump returns is decoded where it lies.

A batch is not a transaction: each request succeeds or fails by itself.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

Decoded = TypeVar("Decoded")
Request = tuple[int, bytes]  # the family's command, and its attributes

NETLINK_ROUTE, NETLINK_GENERIC = 0, 16
SOL_NETLINK = 270
NETLINK_CAP_ACK = 10  # an error answer carries the request's header only, not all of it
SO_RCVBUFFORCE = 33
RECEIVE_BUFFER = 4 << 20  # bytes; the fallback's answers fit the kernel's usual limit too (see BATCH)
BATCH = 128  # requests a send: were all of them refused, their answers would fit 212,992 bytes
ANSWER_SECONDS = 10  # only a kernel that lost an answer makes us wait

NLMSG_ERROR, NLMSG_DONE, NLMSG_MINTYPE = 2, 3, 16
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP_INTR, NLM_F_DUMP = 0x01, 0x04, 0x10, 0x300
NLM_F_EXCL, NLM_F_CREATE = 0x200, 0x400
RTM_NEWADDR = 20  # the one request here that makes something: it must not be there yet
CTRL_FAMILY, CTRL_CMD_GETFAMILY = 16, 3
CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME = 1, 2
DUMP_ATTEMPTS = 5

HEADERS = struct.Struct("=IHHIIBBxx")  # struct nlmsghdr, struct genlmsghdr
HEADERS_BYTES = HEADERS.size
ANSWER = struct.Struct("=IHHII")  # struct nlmsghdr
ERROR = struct.Struct("=i")
SHORT = struct.Struct("=H")
ATTRIBUTE = struct.Struct("=HH")  # struct nlattr: length with this header, type
TYPE_MASK = 0x3FFF  # without the nested and byte-order flags


def attribute(kind: int, value: bytes) -> bytes:
    """value as a netlink attribute of this kind, padded to four bytes."""
    return ATTRIBUTE.pack(4 + len(value), kind) + value + bytes(-len(value) & 3)


def attributes(buffer: bytearray, start: int, end: int) -> dict[int, int]:
    """Where the value of each attribute between start and end lies: its kind to its offset."""
    found = {}
    read = ATTRIBUTE.unpack_from
    while start < end:
        length, kind = read(buffer, start)
        found[kind & TYPE_MASK] = start + 4
        start += (length + 3) & ~3
    return found


class Channel(Protocol):
    """What is used of a socket."""

    def send(self, data: bytes, /) -> int: ...

    def recv_into(self, buffer: bytearray, /) -> int: ...

    def close(self) -> None: ...


def _open(protocol: int) -> socket.socket:
    opened = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
    try:
        opened.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
    except PermissionError:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    opened.setsockopt(SOL_NETLINK, NETLINK_CAP_ACK, 1)
    # SO_RCVTIMEO rather than settimeout(), which would cost a poll before every receive.
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", ANSWER_SECONDS, 0))
    opened.bind((0, 0))
    return opened


class Netlink:
    """A socket that speaks to one part of the kernel; not for several threads at once.

    Every method raises OSError with the kernel's error number.
    """

    head = 0  # bytes between the netlink header of a message and its attributes

    def __init__(self, channel: Channel) -> None:
        self._socket = channel
        self._buffer = bytearray(1 << 17)
        self._sequence = 0

    def close(self) -> None:
        self._socket.close()

    def _message(self, request: Request, flags: int) -> bytes:
        """The bytes of one request, under a new sequence number."""
        raise NotImplementedError

    def _next(self) -> int:
        self._sequence = (self._sequence + 1) & 0xFFFFFFFF
        return self._sequence

    def send(self, requests: Sequence[Request]) -> dict[int, int]:
        """Carry out requests in order; the position of each that was refused, and its error number.

        A request whose answer got lost counts as refused with ETIMEDOUT: only a dump shows whether it was
        carried out.
        """
        refused: dict[int, int] = {}
        for start in range(0, len(requests), BATCH):
            self._send_batch(requests[start : start + BATCH], start, refused)
        return refused

    def _send_batch(self, batch: Sequence[Request], position: int, refused: dict[int, int]) -> None:
        messages = [self._message(request, 0) for request in batch[:-1]]
        messages.append(self._message(batch[-1], NLM_F_ACK))
        last = self._sequence
        self._socket.send(b"".join(messages))
        while True:
            try:
                received = self._socket.recv_into(self._buffer)
            except BlockingIOError:
                for index in range(position, position + len(batch)):
                    refused.setdefault(index, errno.ETIMEDOUT)
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                continue  # some answers were dropped; the last one ends the wait, or the timeout does
            for kind, _, sequence, start, _ in self._messages(received):
                behind = (last - sequence) & 0xFFFFFFFF
                if kind != NLMSG_ERROR or behind >= len(batch):
                    continue  # a late answer to something older
                (code,) = ERROR.unpack_from(self._buffer, start)
                if code:
                    refused[position + len(batch) - 1 - behind] = -code
                if not behind:
                    return

    def get(self, command: int, payload: bytes, decode: Callable[[bytearray, int, int], Decoded]) -> Decoded:
        """The one message that answers a request; decode gets the buffer and where its attributes lie."""
        self._socket.send(self._message((command, payload), 0))
        while True:
            received = self._receive()
            for kind, _, sequence, start, end in self._messages(received):
                if sequence != self._sequence:
                    continue
                if kind == NLMSG_ERROR:
                    raise self._failure(start)
                return decode(self._buffer, start + self.head, end)

    def dump(
        self, command: int, payload: bytes, decode: Callable[[bytearray, int, int], Decoded]
    ) -> list[Decoded]:
        """All messages that answer a dump, each decoded in place.

        A dump that the kernel calls interrupted (the table changed between two of its parts) is taken again.
        """
        for _ in range(DUMP_ATTEMPTS):
            decoded: list[Decoded] = []
            if self._dump_once(command, payload, decode, decoded):
                return decoded
        return self._restless(decoded)

    def _restless(self, decoded: list[Decoded]) -> list[Decoded]:
        """What to give where every dump was interrupted; decoded: the last one."""
        raise OSError(errno.EAGAIN, "the table kept changing while it was read")

    def _dump_once(
        self,
        command: int,
        payload: bytes,
        decode: Callable[[bytearray, int, int], Decoded],
        decoded: list[Decoded],
    ) -> bool:
        self._socket.send(self._message((command, payload), NLM_F_DUMP))
        whole = True
        while True:
            try:
                received = self._receive()
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                whole = False  # read on to the dump's end, or the socket would stay busy with it
                continue
            for kind, flags, sequence, start, end in self._messages(received):
                if sequence != self._sequence:
                    continue
                whole = whole and not flags & NLM_F_DUMP_INTR
                if kind >= NLMSG_MINTYPE:
                    decoded.append(decode(self._buffer, start + self.head, end))
                elif kind == NLMSG_DONE:
                    if end - start >= 4 and ERROR.unpack_from(self._buffer, start)[0]:
                        raise self._failure(start)
                    return whole
                elif kind == NLMSG_ERROR:
                    raise self._failure(start)

    def _receive(self) -> int:
        try:
            return self._socket.recv_into(self._buffer)
        except BlockingIOError as error:
            raise OSError(errno.ETIMEDOUT, "the kernel did not answer") from error

    def _messages(self, received: int) -> list[tuple[int, int, int, int, int]]:
        """The messages in the buffer: type, flags, sequence number, where its payload starts and ends."""
        found = []
        start = 0
        while start < received:
            length, kind, flags, sequence, _ = ANSWER.unpack_from(self._buffer, start)
            found.append((kind, flags, sequence, start + ANSWER.size, start + length))
            start += (length + 3) & ~3
        return found

    def _failure(self, start: int) -> OSError:
        code = -ERROR.unpack_from(self._buffer, start)[0]
        return OSError(code, errno.errorcode.get(code, str(code)))


class GenericNetlink(Netlink):
    """A socket that speaks to one generic-netlink family.

    Making one raises FileNotFoundError when the kernel does not have the family (and could not load a module
    that does).
    """

    head = 4

    def __init__(self, family: str, version: int, channel: Channel | None = None) -> None:
        """channel: a socket to use instead of opening one."""
        super().__init__(channel or _open(NETLINK_GENERIC))
        self._version = version
        self._family = CTRL_FAMILY
        try:
            self._family = self._resolve(family)
        except BaseException:
            self._socket.close()
            raise

    def _resolve(self, name: str) -> int:
        wanted = attribute(CTRL_ATTR_FAMILY_NAME, name.encode() + b"\0")

        def family_id(buffer: bytearray, start: int, end: int) -> int:
            (number,) = SHORT.unpack_from(buffer, attributes(buffer, start, end)[CTRL_ATTR_FAMILY_ID])
            return int(number)

        return self.get(CTRL_CMD_GETFAMILY, wanted, family_id)

    def _message(self, request: Request, flags: int) -> bytes:
        command, payload = request
        header = HEADERS.pack(
            HEADERS_BYTES + len(payload),
            self._family,
            NLM_F_REQUEST | flags,
            self._next(),
            0,
            command,
            self._version,
        )
        return header + payload


class RouteNetlink(Netlink):
    """A socket that speaks of addresses (rtnetlink(7)); a payload begins with its kind's own head."""

    def __init__(self, channel: Channel | None = None) -> None:
        """channel: a socket to use instead of opening one."""
        super().__init__(channel or _open(NETLINK_ROUTE))

    def _message(self, request: Request, flags: int) -> bytes:
        command, payload = request
        flags |= NLM_F_REQUEST | (NLM_F_CREATE | NLM_F_EXCL if command == RTM_NEWADDR else 0)
        return ANSWER.pack(ANSWER.size + len(payload), command, flags, self._next(), 0) + payload
