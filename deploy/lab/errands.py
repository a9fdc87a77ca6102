"""Asking something of a lab that may be in a virtual machine: by files in the folder that both sides share.

`NUMBER.do` is an errand (JSON: namespace, words), `NUMBER.done` its outcome (JSON: status, output); `rate`
holds the connections a second of the traffic. The folder is 0700: who can write there may do anything in the
lab.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from deploy.lab.namespaces import in_namespace

PROJECT = Path(__file__).resolve().parents[2]
LOOK_SECONDS = 0.2
ERRAND_SECONDS = 120.0


class NoLab(Exception):
    """No lab is being served; the message says how to have one."""


def folder() -> Path:
    """The exchange folder of the lab that `make run` serves from this project. Raises NoLab."""
    place = Path(os.environ.get("PIRANHA_VAR", PROJECT / "var")).absolute() / "lab"
    if not (place / "ready").exists():
        raise NoLab("no lab is running; start one with: make run")
    return place


def write(path: Path, text: str) -> None:
    """The file appears whole."""
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def send(place: Path, namespace: str, words: Sequence[str]) -> int:
    """Has a command run in the lab; prints what it printed and returns its exit status. Raises NoLab."""
    number = f"{os.getpid()}-{time.monotonic_ns()}"
    outcome = place / f"{number}.done"
    write(place / f"{number}.do", json.dumps({"namespace": namespace, "words": list(words)}))
    deadline = time.monotonic() + ERRAND_SECONDS
    while not outcome.exists():
        if time.monotonic() > deadline:
            raise NoLab(f"the lab did not answer within {ERRAND_SECONDS:g} seconds; look at var/log/lab.log")
        time.sleep(LOOK_SECONDS / 4)
    result = json.loads(outcome.read_text(encoding="utf-8"))
    outcome.unlink()
    sys.stdout.write(result["output"])
    return int(result["status"])


async def run(place: Path) -> None:
    """The lab's side: carries errands out as they come, one after the other, until cancelled."""
    while True:
        for path in sorted(place.glob("*.do")):
            errand = json.loads(path.read_text(encoding="utf-8"))
            path.unlink()
            write(
                path.with_suffix(".done"), json.dumps(await carry_out(errand["namespace"], errand["words"]))
            )
        await asyncio.sleep(LOOK_SECONDS)


async def carry_out(namespace: str, words: Sequence[str]) -> dict[str, object]:
    """Runs one command; its exit status and everything it printed."""
    try:
        process = await asyncio.create_subprocess_exec(
            *in_namespace(namespace, words),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
    except OSError as error:
        return {"status": 127, "output": f"{error}\n"}
    try:
        output, _ = await asyncio.wait_for(process.communicate(), ERRAND_SECONDS / 2)
    except TimeoutError:
        process.kill()
        return {"status": 124, "output": "the command was ended: it took too long\n"}
    return {"status": process.returncode, "output": output.decode(errors="replace")}


def set_rate(place: Path, rate: float) -> None:
    """Switches the traffic: connections a second, 0 for none."""
    write(place / "rate", f"{rate:g}")


def rate(place: Path) -> float:
    """What the traffic is switched to; nothing there: off."""
    try:
        return float((place / "rate").read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):
        return 0.0
