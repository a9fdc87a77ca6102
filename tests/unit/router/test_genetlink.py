"""The socket: batches, their answers, and dumps, against a scripted kernel."""

from __future__ import annotations

import errno
import struct
from dataclasses import dataclass, field

import pytest

from lvs.router.genetlink import BATCH, HEADERS, GenericNetlink, attribute, attributes

FAMILY = 30
ERROR, DONE, MULTI, INTERRUPTED = 2, 3, 2, 0x10


def message(kind: int, sequence: int, payload: bytes, flags: int = 0) -> bytes:
    return struct.pack("=IHHII", 16 + len(payload), kind, flags, sequence, 0) + payload


def answer(sequence: int, code: int = 0) -> bytes:
    return message(ERROR, sequence, struct.pack("=i", -code) + bytes(16))


def part(sequence: int, value: bytes, flags: int = MULTI) -> bytes:
    return message(FAMILY, sequence, bytes(4) + attribute(1, value), flags)


@dataclass
class ScriptedKernel:
    """Answers with what is in script: bytes to receive, or an error number to raise."""

    script: list[bytes | int] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)
    closed: bool = False

    def send(self, data: bytes) -> int:
        self.sent.append(data)
        return len(data)

    def recv_into(self, buffer: bytearray) -> int:
        step = self.script.pop(0)
        if isinstance(step, int):
            raise OSError(step, "scripted")
        buffer[: len(step)] = step
        return len(step)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def kernel() -> ScriptedKernel:
    resolved = bytes(4) + attribute(2, b"IPVS\0") + attribute(1, struct.pack("=H", FAMILY))
    return ScriptedKernel([message(16, 1, resolved)])


@pytest.fixture
def netlink(kernel: ScriptedKernel) -> GenericNetlink:
    opened = GenericNetlink("IPVS", 1, kernel)
    kernel.sent.clear()
    return opened


def value(buffer: bytearray, start: int, end: int) -> bytes:
    place = attributes(buffer, start, end)[1]
    return bytes(buffer[place : place + 4])


def test_a_family_that_the_kernel_has_not_got_is_not_found():
    with pytest.raises(FileNotFoundError):
        GenericNetlink("NO_SUCH_FAMILY", 1)


def test_a_socket_whose_family_is_not_found_is_closed():
    kernel = ScriptedKernel([answer(1, errno.ENOENT)])
    with pytest.raises(FileNotFoundError):
        GenericNetlink("IPVS", 1, kernel)
    assert kernel.closed


def test_the_real_kernel_answers_get_and_dump():
    netlink = GenericNetlink("nlctrl", 1)
    found = netlink.dump(3, b"", lambda buffer, start, end: attributes(buffer, start, end).keys())
    assert len(found) > 1
    assert netlink.send([(3, attribute(2, b"nlctrl\0"))]) == {}
    netlink.close()


def test_only_the_last_of_a_batch_asks_for_an_answer(netlink, kernel):
    kernel.script = [answer(4)]
    assert netlink.send([(1, b""), (1, b""), (1, b"")]) == {}
    flags = [HEADERS.unpack_from(kernel.sent[0], offset)[2] for offset in (0, 20, 40)]
    assert flags == [1, 1, 5]


def test_each_refusal_is_told_by_its_position(netlink, kernel):
    last = BATCH + 1
    kernel.script = [
        answer(2, errno.EEXIST) + answer(4, errno.ESRCH),
        answer(last),
        answer(last + 1, errno.ENOENT),
        answer(last + 2, errno.EPERM),
    ]
    refused = netlink.send([(1, b"")] * (BATCH + 2))
    assert refused == {0: errno.EEXIST, 2: errno.ESRCH, BATCH: errno.ENOENT, BATCH + 1: errno.EPERM}
    assert len(kernel.sent) == 2


def test_a_late_answer_to_an_older_batch_is_passed_over(netlink, kernel):
    kernel.script = [errno.EAGAIN, answer(2, errno.EEXIST), answer(3)]
    assert netlink.send([(1, b"")]) == {0: errno.ETIMEDOUT}
    assert netlink.send([(1, b"")]) == {}


def test_answers_that_got_lost_count_as_refused_but_known_ones_keep_their_reason(netlink, kernel):
    kernel.script = [answer(2, errno.EEXIST), errno.ENOBUFS, errno.EAGAIN]
    assert netlink.send([(1, b"")] * 3) == {0: errno.EEXIST, 1: errno.ETIMEDOUT, 2: errno.ETIMEDOUT}


def test_a_socket_that_fails_is_an_error(netlink, kernel):
    kernel.script = [errno.ECONNREFUSED]
    with pytest.raises(ConnectionRefusedError):
        netlink.send([(1, b"")])


def test_a_dump_is_all_its_parts(netlink, kernel):
    kernel.script = [part(2, b"aaaa") + part(2, b"bbbb"), part(2, b"cccc"), message(DONE, 2, bytes(4))]
    assert netlink.dump(4, b"", value) == [b"aaaa", b"bbbb", b"cccc"]


def test_an_interrupted_dump_is_taken_again(netlink, kernel):
    kernel.script = [
        part(2, b"aaaa"),
        part(2, b"bbbb", MULTI | INTERRUPTED) + message(DONE, 2, bytes(4)),
        part(3, b"cccc") + message(DONE, 3, bytes(4)),
    ]
    assert netlink.dump(4, b"", value) == [b"cccc"]


def test_a_dump_that_lost_a_part_is_read_to_its_end_and_taken_again(netlink, kernel):
    kernel.script = [
        part(2, b"aaaa"),
        errno.ENOBUFS,
        part(2, b"bbbb") + message(DONE, 2, bytes(4)),
        part(3, b"cccc") + message(DONE, 3, bytes(4)),
    ]
    assert netlink.dump(4, b"", value) == [b"cccc"]


def test_a_table_that_never_holds_still_is_an_error(netlink, kernel):
    kernel.script = [message(DONE, sequence, bytes(4), INTERRUPTED) for sequence in range(2, 20)]
    with pytest.raises(OSError, match="kept changing"):
        netlink.dump(4, b"", value)


@pytest.mark.parametrize("last", [answer(2, errno.EPERM), message(DONE, 2, struct.pack("=i", -errno.EPERM))])
def test_a_dump_that_is_refused_is_an_error(netlink, kernel, last):
    kernel.script = [last]
    with pytest.raises(PermissionError):
        netlink.dump(4, b"", value)


def test_a_kernel_that_does_not_answer_is_an_error(netlink, kernel):
    kernel.script = [errno.EAGAIN]
    with pytest.raises(OSError, match="did not answer") as caught:
        netlink.get(13, b"", value)
    assert caught.value.errno == errno.ETIMEDOUT


def test_a_question_that_is_refused_is_an_error(netlink, kernel):
    kernel.script = [answer(1), answer(2, errno.EPERM)]
    with pytest.raises(PermissionError):
        netlink.get(13, b"", value)
