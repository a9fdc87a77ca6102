"""The parts of gunicorn's worker that need no server: how long a thread waits, what plain HTTP is told."""

from __future__ import annotations

import socket

import pytest

from piranha_web.tls.worker import STALLED, PatientSocket, plain_answer


def test_no_thread_waits_for_ever_for_a_body_that_does_not_come():
    ours, theirs = socket.socketpair()
    with PatientSocket(fileno=ours.detach()) as one, theirs:
        one.setblocking(True)  # as gunicorn does before it gives a connection to a thread
        assert one.gettimeout() == STALLED
        one.setblocking(False)
        with pytest.raises(BlockingIOError):
            one.recv(1)


@pytest.mark.parametrize(
    ("head", "status", "location"),
    [
        (b"GET /a HTTP/1.1\r\nHost: lb\r\n\r\n", b"307", b"https://lb/a"),
        (b"HEAD /a HTTP/1.0\r\nhost:[2001:db8::1]:3636\r\n\r\n", b"307", b"https://[2001:db8::1]:3636/a"),
        (b"GET //evil.example/ HTTP/1.1\r\nHost: lb\r\n\r\n", b"307", b"https://lb//evil.example/"),
        (b"POST /a HTTP/1.1\r\nHost: lb\r\n\r\n", b"400", None),
        (b"GET /a HTTP/1.1\r\n\r\n", b"400", None),
        (b"GET /a HTTP/1.1\r\nHost: lb@evil\r\n\r\n", b"400", None),
        (b"GET /a\tb HTTP/1.1\r\nHost: lb\r\n\r\n", b"400", None),
        (b"\r\n\r\n", b"400", None),
    ],
)
def test_plain_http_is_led_to_the_same_host_and_nowhere_else(head, status, location):
    answer = plain_answer(head)
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert (b"\r\nLocation: " in answer) is (location is not None)
    if location:
        assert b"\r\nLocation: " + location + b"\r\n" in answer


def test_a_head_alone_is_answered_without_a_body():
    assert plain_answer(b"HEAD / HTTP/1.1\r\nHost: lb\r\n\r\n").endswith(b"\r\n\r\n")
    assert plain_answer(b"GET / HTTP/1.1\r\nHost: lb\r\n\r\n").endswith(b"https:// before its address.\n")
