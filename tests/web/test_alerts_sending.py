"""The way to a target: how long it takes, where it leads, what goes there, and what is logged."""

from __future__ import annotations

import logging
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import BytesIO, StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import apprise
import pytest
import requests

from lvs import models
from piranha_web import supervised
from piranha_web.alerts import apprised, duty, sending, targets
from piranha_web.alerts.sending import Answer
from piranha_web.alerts.targets import Target
from tests.web.listening import MailServer, served

State = models.AlertMessage.State
LINK = 'locked out: <a href="https://evil.example/login">Log in here</a>'


class Leading(HTTPServer):
    """Leads elsewhere, and notes who came."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Led)
        self.came: list[str] = []


class Led(BaseHTTPRequestHandler):
    """One request."""

    server: Leading

    def do_POST(self) -> None:
        self.server.came.append(f"POST {self.path}")
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(302)
        self.send_header("Location", f"http://127.0.0.1:{self.server.server_port}/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        self.server.came.append(f"GET {self.path}")
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_words: Any) -> None:
        """A test says by itself what came."""


@contextmanager
def dripping() -> Iterator[int]:
    """A server whose answer never ends; its port."""
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            connection, _peer = server.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                try:
                    while not ended.wait(0.05):
                        connection.sendall(b"x")
                except OSError:
                    ended.set()

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            ended.set()
            thread.join(10)


def test_a_target_that_drips_its_answer_is_hung_up_on() -> None:
    with dripping() as port:
        answer = sending.send(Target("x", f"json://127.0.0.1:{port}/"), "t", "b", "danger", seconds=3)

    assert answer == Answer(False, "it had not answered to the end after 3 seconds")


def test_a_try_is_counted_before_it_so_that_one_that_ends_the_worker_is_not_the_next_ones_first(
    db: None, site: Any, tmp_path: Path
) -> None:
    site.PIRANHA_ALERTS_FILE = tmp_path / "alerts.targets"
    target = targets.add(tmp_path / "alerts.targets", "json://127.0.0.1/x", "", by="anna", at="")
    models.AlertMessage.objects.create(target=target.id, kind="redis", level="danger", title="t", body="b")

    def killed(*_words: str | Target) -> Answer:
        raise SystemExit(1)

    with pytest.raises(SystemExit):
        duty.deliver(killed)

    row = models.AlertMessage.objects.get()
    assert (row.tries, row.state) == (1, State.WAITING)
    assert duty.deliver(killed) == 0


def test_no_message_is_begun_after_the_time_of_one_round(
    db: None, site: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.PIRANHA_ALERTS_FILE = tmp_path / "alerts.targets"
    target = targets.add(tmp_path / "alerts.targets", "json://127.0.0.1/x", "", by="anna", at="")
    for place in range(3):
        title = f"t{place}"
        models.AlertMessage.objects.create(
            target=target.id, kind="redis", level="danger", title=title, body="b"
        )
    now = [0.0]
    monkeypatch.setattr(duty, "time", SimpleNamespace(monotonic=lambda: now[0]))

    def slow(*_words: str | Target) -> Answer:
        now[0] += duty.BUDGET * 0.6
        return Answer(True, "")

    assert duty.deliver(slow) == 2
    assert duty.deliver(slow) == 1


def test_a_redirect_is_not_followed() -> None:
    with served(Leading()) as server:
        url = f"json://127.0.0.1:{server.server_port}/hook"
        answer = sending.send(Target("x", url), "t", "b", "danger")

    assert not answer.ok
    assert server.came == ["POST /hook"]


def test_the_process_that_sends_refuses_what_a_name_resolves_to() -> None:
    process = subprocess.run(
        sending._CHILD,
        input='{"url": "json://169.254.169.254/", "title": "t", "body": "b", "level": "danger"}\n',
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
    )

    assert '"ok": false' in process.stdout
    assert "169.254.169.254 is no machine that alerts can go to" in process.stdout


def test_a_target_that_came_into_the_file_by_other_hands_is_judged_when_something_is_sent() -> None:
    answer = sending.send(Target("x", "json://127.0.0.1:1/?template=/etc/passwd"), "t", "b", "danger")

    assert not answer.ok
    assert "template=" in answer.said


def test_words_of_strangers_are_plain_text_in_a_mail() -> None:
    with served(MailServer()) as mail:
        assert sending.send(Target("x", mail.url), "t", LINK, "warning").ok

    kinds = {one.get_content_type() for one in mail.mails[0].walk()}
    assert "text/html" not in kinds
    assert LINK in str(mail.mails[0].get_payload(decode=True), "utf-8")


@pytest.mark.parametrize(
    "url",
    [
        "tgram://123456789:abcdefghijklmnopqrstuvwxyz/1",
        "discord://123456789/tokenxyzabc",
        "mmosts://h/token123abc",
    ],
)
def test_words_of_strangers_are_no_links_and_no_calls_in_a_chat(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    posted: list[str] = []

    def post(_url: str, *, data: str, **_more: Any) -> requests.Response:
        posted.append(data)
        answer = requests.Response()
        answer.status_code, answer.raw = 200, BytesIO(b'{"ok": true}')
        return answer

    monkeypatch.setattr(requests, "post", post)

    apprised.tell(url, "t", f"{LINK} [Log in](https://evil.example) <!channel> @everyone", "danger")

    said = posted[-1].encode().decode("unicode_escape")
    assert "Log in" in said
    for live in ("<a", "](", "<!", "@everyone"):
        assert live not in said


def test_what_apprise_says_goes_to_no_log_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    class Chatty:
        def notify(self, **_words: Any) -> bool:
            logging.getLogger("apprise").warning("POST https://h/s3cr3t said \x1b[2J")
            return False

    heard = StringIO()
    handler = logging.StreamHandler(heard)  # pytest's own listens even where nothing is passed on
    logging.getLogger().addHandler(handler)
    monkeypatch.setattr(apprised, "service_of", lambda _url: Chatty())
    try:
        ok, said = apprised.tell("json://h/s3cr3t", "t", "b", "danger")
    finally:
        logging.getLogger().removeHandler(handler)

    assert (ok, "s3cr3t" in said) == (False, True)
    assert heard.getvalue() == ""


def test_every_service_that_can_be_used_is_asked_for_plain_text_and_follows_nothing() -> None:
    service = apprised.service_of("mailtos://u:p@example.org?to=a@example.org")

    assert service is not None
    assert service.resolve_format(apprise.NotifyFormat.TEXT) == apprise.NotifyFormat.TEXT
    assert not service.redirects


def test_the_watchdog_waits_longer_than_a_round_of_sending_can_take() -> None:
    assert duty.BUDGET + sending.SECONDS < supervised.HUNG / 2
    assert sending.SECONDS < apprised.ALONE
