"""The only module that speaks to apprise. No Django: `python -m` of it is the process that sends one message.

Its standard input is one line of JSON, {url, title, body, level}; its output {ok, said}. said is as apprise
and the other side put it, secrets and all: `sending` takes them out.
"""

from __future__ import annotations

import json
import logging
import re
import signal
import sys
import warnings
from contextlib import AbstractContextManager
from functools import lru_cache
from io import StringIO
from typing import Any

import apprise

from piranha_web.alerts.hosts import is_refused

NAMES = {"danger": "failure", "warning": "warning", "success": "success"}
SECONDS = (5, 10)  # to connect, and between two parts of an answer
ALONE = 30  # seconds after which it ends itself, should nobody be there any more who would end it
MOST_SAID = 4000
_NOISE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+ - (\w+) - ")

# These show text as it is once it is sent as text. The others, chats, take every text for Markdown or HTML.
LITERAL = (
    "mailto",
    "json",
    "form",
    "xml",
    "ntfy",
    "gotify",
    "pover",
    "opsgenie",
    "pagerduty",
    "splunk",
    "signal",
)
_CALL = re.compile(r"(?<!\w)@(?=(?:everyone|here|channel|all)\b)")

# It would write addresses, and what strangers answer, to the journal: it is listened to, and nothing else.
_LOG = logging.getLogger("apprise")
_LOG.setLevel(logging.CRITICAL)
_LOG.propagate = False
_LOG.addHandler(logging.NullHandler())


def service_of(url: str) -> apprise.NotifyBase | None:
    """What apprise makes of the address, with our limits."""
    asset = apprise.AppriseAsset(
        app_id="Piranha Web", app_desc="Piranha Web", app_url="", async_mode=False, secure_logging=True
    )
    asset.http_redirects = False
    _load()
    service = apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
    if service is not None:
        service.socket_connect_timeout, service.socket_read_timeout = SECONDS
        service.retry = 0  # we try again ourselves, and an address may ask for anything
        service.redirects = False
    return service


@lru_cache(maxsize=1)
def _load() -> None:
    """Has apprise load its hundred services, of which one uses what Python is about to give up."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        apprise.Apprise.instantiate("json://localhost", suppress_exceptions=True)


def tell(url: str, title: str, body: str, level: str) -> tuple[bool, str]:
    """Sends a message; whether it was taken, and what was said. Raises nothing."""
    with _listening() as heard:
        try:
            service = service_of(url)
            # As text: names that strangers typed stand in it, which must become no links in a mail or a chat.
            ok = service is not None and bool(
                service.notify(
                    title=plain(url, title),
                    body=plain(url, body),
                    notify_type=NAMES[level],
                    body_format=apprise.NotifyFormat.TEXT,
                )
            )
        except Exception as error:  # noqa: BLE001 - see below
            # A fault in one of a hundred services of others: it must not end the sending to the rest.
            return False, f"apprise failed at this: {type(error).__name__}"
        return ok, " ".join(_NOISE.sub("", heard.getvalue()).split())[:MOST_SAID]


def plain(url: str, text: str) -> str:
    """The text with nothing in it that a chat would make a link with other words, or a call of everybody."""
    if url.partition("://")[0].removesuffix("s") in (one.removesuffix("s") for one in LITERAL):
        return text
    text = text.replace("<", "‹").replace(">", "›").replace("](", "] (").replace("][", "] [")
    return _CALL.sub("@ ", text)


def _listening() -> AbstractContextManager[StringIO]:
    """What apprise says to its log meanwhile."""
    made: AbstractContextManager[StringIO] = apprise.LogCapture(level=logging.INFO, name="apprise")  # type: ignore[no-untyped-call]
    return made


class Guard:
    """Lets this process connect to no address that `hosts` refuses, whoever named it: a name, a redirect."""

    def __init__(self) -> None:
        self.refused = ""

    def __call__(self, event: str, words: tuple[Any, ...]) -> None:
        """For `sys.addaudithook`."""
        if event == "socket.connect" and isinstance(words[1], tuple) and is_refused(str(words[1][0])):
            self.refused = str(words[1][0])
            raise PermissionError(f"nothing is sent to {self.refused}")


def main() -> int:
    """One message."""
    signal.alarm(ALONE)
    guard = Guard()
    sys.addaudithook(guard)
    asked = json.loads(sys.stdin.readline())
    ok, said = tell(asked["url"], asked["title"], asked["body"], asked["level"])
    if guard.refused and not ok:
        said = f"{guard.refused} is no machine that alerts can go to: name one in your network. {said}"
    sys.stdout.write(json.dumps({"ok": ok, "said": said}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
