"""`piranha status`, `failover`, `confirm` and `key`: what they ask this router's pulse, and what they print.

They need neither Redis nor the web, so that a router can be looked after where everything else is gone.
"""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from lvs.config.sentences import listed
from lvs.errors import LvsError
from lvs.pulse import keys
from lvs.pulse.client import PulseClient
from lvs.pulse.heartbeat import KEY_BYTES, MAX_KEYS, key_id

DONE, REFUSED = 0, 1  # exit codes
STATUS_SECONDS = 5
SWITCH_SECONDS = 30  # pulse waits for the dead time and five seconds more at most


def status_command(socket: Path, *, as_json: bool) -> int:
    """Prints how this router is, in a few lines, or pulse's whole status document as JSON."""

    def work() -> None:
        status = PulseClient(socket, STATUS_SECONDS).status()
        if as_json:
            say_document(status)
        else:
            say(described(status))

    return attempted(work)


def failover_command(socket: Path, *, anyway: bool, force: bool) -> int:
    """Switches the active role to the other router, or with force makes this one active."""

    def work() -> None:
        client = PulseClient(socket, SWITCH_SECONDS)
        outcome = client.take_over_by_force() if force else client.hand_over(anyway=anyway)
        say([outcome["message"]])

    return attempted(work)


def confirm_command(socket: Path, serial: int) -> int:
    """Keeps the installed lvs.cf that waits for its confirmation."""

    def work() -> None:
        PulseClient(socket, STATUS_SECONDS).confirm(serial)
        sys.stdout.write(f"serial_no {serial} stays.\n")

    return attempted(work)


def key_command(folder: Path, *, new: bool) -> int:
    """Prints the ids of the cluster's keys in folder, newest first; new: makes one first."""

    def work() -> None:
        found = keys.load(folder)
        if new:
            found = (secrets.token_bytes(KEY_BYTES), *found)[:MAX_KEYS]
            keys.save(folder, found)
            sys.stdout.write(
                f"{folder / keys.NAME} has a new key. Copy the file to the other router (mode 0600, pulse's "
                "user), then restart pulse on the standby and after it on the active router.\n"
            )
        if not found:
            sys.stdout.write(f"There is no key in {folder}: an Apply brings one, or piranha key --new.\n")
        sys.stdout.writelines(
            f"{key_id(one).hex()} {'newest' if place == 0 else 'before it'}\n"
            for place, one in enumerate(found)
        )

    return attempted(work)


def harmless(text: str) -> str:
    """The text with what is neither printable nor a tab as Python would escape it.

    A real server, another router or whoever named something may have written it: a terminal obeys control
    characters, a reader's eye those that turn the direction of writing.
    """
    return text if text.isprintable() else "".join(_shown(sign) for sign in text)


def _shown(sign: str) -> str:
    return sign if sign.isprintable() or sign == "\t" else repr(sign)[1:-1]


def say(lines: Iterable[str], to: TextIO | None = None) -> None:
    """Prints lines, on standard output if nothing else is said; a line end inside of one is escaped too."""
    (to or sys.stdout).writelines(f"{harmless(line)}\n" for line in lines)


def say_document(document: object) -> None:
    """Prints a document as JSON for people and programs; what harmless() escapes is so as JSON has it."""
    text = json.dumps(document, indent=2, ensure_ascii=False)
    signs = (sign if sign.isprintable() or sign == "\n" else json.dumps(sign)[1:-1] for sign in text)
    sys.stdout.write("".join(signs) + "\n")


def remark_lines(remarks: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Remarks (`lvs.router.seen.Remark`, as pulse's calls answer them) in lines."""
    for remark in remarks:
        yield f"{remark['level']}: {remark['what']}"
        yield f"    {remark['why']}"
        yield f"    To do: {remark['remedy']}"
        if remark["evidence"]:
            yield f"    Seen: {remark['evidence']}"


def attempted(work: Callable[[], None]) -> int:
    """The exit code of work, whose refusal is said on standard error."""
    try:
        work()
    except LvsError as error:
        say(str(error).splitlines(), sys.stderr)
        return REFUSED
    except OSError as error:
        say([f"{error.filename or ''}: {error.strerror or error}".lstrip(": ")], sys.stderr)
        return REFUSED
    return DONE


def described(status: Mapping[str, Any]) -> Iterator[str]:
    """The status document in lines: role, configuration, the other router, links, alarms."""
    now, part = status["now"], status.get("redundancy")
    planning = ", planning only" if status["mode"] == "planning" else ""
    since = f" for {span(now - part['since'])} ({part['reason'] or 'no reason given'})" if part else ""
    yield f"{status['name']} ({status['node']}): {status['role']}{since}{planning}"
    if status["sha256"] is None:
        yield "lvs.cf: none installed"
    else:
        yield f"lvs.cf: serial_no {status['serial']}, sha256 {status['sha256'][:12]}"
    waits = status.get("unconfirmed")
    if waits:
        yield (
            f"waits for its confirmation {span(waits['seconds_left'])} more: "
            f"piranha confirm {waits['serial']}"
        )
    if part is None:
        yield "redundancy: none (no second router, or no cluster key)"
    else:
        yield from of_pair(part, now)
    guard = status.get("guard")
    if guard:
        networks = f" and {listed(guard['networks'])}" if guard["networks"] else ""
        yield f"port {guard['port']} (TCP) is guarded: only for this machine{networks}"
    told = part["alarms"] if part else ()  # pulse's problems have the heart's alarms among them
    for sentence in status["problems"]:
        if sentence not in told:
            yield f"problem: {sentence}"


def of_pair(part: Mapping[str, Any], now: float) -> Iterator[str]:
    """The other router, the links to it, and what is wrong."""
    peer = part["peer"]
    if peer is None:
        yield "other router: never heard"
    else:
        fit = "fit" if peer["fit"] else "not fit"
        heard = f"{span(now - peer['heard_at'])} ago{'' if peer['alive'] else ', silent'}"
        yield (
            f"other router ({peer['node']}): {peer['role']}, {fit}, {peer['healthy']} of {peer['total']} "
            f"real servers healthy, serial_no {peer['serial']}, heard {heard}"
        )
    for link in part["links"]:
        heard = "never heard" if link["heard_at"] is None else f"heard {span(now - link['heard_at'])} ago"
        state = "alive" if link["alive"] else "silent"
        yield (
            f"{link['name']} link {link['own']} to {link['peer']}: {state}, {heard}, {link['sent']} sent, "
            f"{link['received']} received, {link['lost']} lost"
        )
    yield f"key: {part['keys']['newest']}"
    for sentence in part["unfit"]:
        yield f"not fit: {sentence}"
    for sentence in part["alarms"]:
        yield f"alarm: {sentence}"
    for sentence in part["hand_over_refused"]:
        yield f"a hand-over would be refused: {sentence}"


def span(seconds: float) -> str:
    """A length of time for reading."""
    seconds = max(0.0, seconds)
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{int(seconds // size)} {unit}"
    return f"{seconds:.1f} s" if seconds < 10 else f"{int(seconds)} s"
