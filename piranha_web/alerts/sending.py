"""The way to a target: each message by a process of its own (`apprised`), ended when it takes too long.

A target may answer a byte at a time for ever, and no limit of a socket ends that; nor can a thread be ended.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from dataclasses import dataclass

from piranha_web.alerts import targets
from piranha_web.alerts.apprised import service_of
from piranha_web.alerts.targets import Target, TargetRefused

log = logging.getLogger("piranha.alerts")

SECONDS = 20.0  # for one message, all in all
NO_REASON = "it gave no reason. Look at its own log"
_CHILD = (sys.executable, "-I", "-m", "piranha_web.alerts.apprised")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of it. said: in words, with no secret in them."""

    ok: bool
    said: str


def usable(target: Target) -> None:
    """TargetRefused where apprise cannot make anything of the address, or its machine may not be used."""
    if service_of(target.url) is None:
        raise TargetRefused(
            f"What stands behind {target.scheme}:// is not complete, or is no address of that kind. See "
            "appriseit.com for what it needs."
        )
    targets.judge_hosts(target, ask=True)


def send(target: Target, title: str, body: str, level: str, *, seconds: float = SECONDS) -> Answer:
    """Sends a message and waits for what the other side says, for at most so long. Raises nothing."""
    try:
        targets.judged(target.url)  # it may have come into the file by other hands
    except TargetRefused as error:
        return Answer(False, str(error))
    asked = json.dumps({"url": target.url, "title": title, "body": body, "level": level})
    try:
        done = subprocess.run(  # noqa: S603 - our own module, by a list of words; secrets by standard input
            _CHILD, input=f"{asked}\n", capture_output=True, text=True, timeout=seconds, check=True, cwd="/"
        )
        answer = json.loads(done.stdout.splitlines()[-1])
        ok, said = bool(answer["ok"]), target.without_secrets(str(answer["said"]))
    except subprocess.TimeoutExpired:
        return Answer(False, f"it had not answered to the end after {seconds:.0f} seconds")
    except (OSError, subprocess.SubprocessError, ValueError, LookupError, TypeError) as error:
        # What the process said may have secrets in it.
        log.error("the process that sends to %s failed: %s", target.mask, type(error).__name__)
        return Answer(False, f"the process that sends it failed: {type(error).__name__}")
    return Answer(ok, said or ("taken" if ok else NO_REASON))
