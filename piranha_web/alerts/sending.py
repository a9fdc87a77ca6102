"""The way to a target. The only module that speaks to apprise.

apprise says what went wrong to its log alone, so that is listened to while something is sent: one at a time.
"""

from __future__ import annotations

import logging
import re
import threading
import warnings
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import lru_cache
from io import StringIO

import apprise

from piranha_web.alerts.targets import Target, TargetRefused

log = logging.getLogger("piranha.alerts")

NAMES = {"danger": "failure", "warning": "warning", "success": "success"}
SECONDS = (5, 10)  # to connect, and until the other side has answered
NO_REASON = "it gave no reason. Look at its own log"
_NOISE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+ - (\w+) - ")
_ONE_AT_A_TIME = threading.Lock()
logging.getLogger("apprise").setLevel(logging.CRITICAL)  # it would write addresses; `send` says what it said


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of it. said: in words, with no secret in them."""

    ok: bool
    said: str


def usable(target: Target) -> None:
    """TargetRefused where apprise cannot make anything of the address."""
    if _service(target) is None:
        raise TargetRefused(
            f"What stands behind {target.scheme}:// is not complete, or is no address of that kind. See "
            "appriseit.com for what it needs."
        )


def send(target: Target, title: str, body: str, level: str) -> Answer:
    """Sends a message and waits for what the other side says, some 15 seconds at most. Raises nothing."""
    with _ONE_AT_A_TIME, _listening() as heard:
        try:
            service = _service(target)
            ok = service is not None and bool(
                service.notify(title=title, body=body, notify_type=NAMES[level])
            )
        except Exception as error:  # noqa: BLE001 - see below
            # A fault in one of a hundred services of others: it must not end the sending to the rest.
            log.error("apprise failed at %s: %s", target.mask, type(error).__name__)
            return Answer(False, f"apprise failed at this: {type(error).__name__}")
        said = target.without_secrets(" ".join(_NOISE.sub("", heard.getvalue()).split()))
    if ok:
        return Answer(True, said or "taken")
    return Answer(False, said or NO_REASON)


@lru_cache(maxsize=1)
def _load() -> None:
    """Has apprise load its hundred services, of which one uses what Python is about to give up."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        apprise.Apprise.instantiate("json://localhost", suppress_exceptions=True)


def _listening() -> AbstractContextManager[StringIO]:
    """What apprise says to its log meanwhile."""
    made: AbstractContextManager[StringIO] = apprise.LogCapture(level=logging.INFO, name="apprise")  # type: ignore[no-untyped-call]
    return made


def _service(target: Target) -> apprise.NotifyBase | None:
    """What apprise makes of the address, with our limits of time."""
    asset = apprise.AppriseAsset(
        app_id="Piranha Web", app_desc="Piranha Web", app_url="", async_mode=False, secure_logging=True
    )
    _load()
    service = apprise.Apprise.instantiate(target.url, asset=asset, suppress_exceptions=True)
    if service is not None:
        service.socket_connect_timeout, service.socket_read_timeout = SECONDS
        service.retry = 0  # we try again ourselves, and an address may ask for anything
    return service
