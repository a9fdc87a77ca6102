"""Alerts in words: one message, and many that have come together. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from piranha_web.alerts.rules import KINDS, Message, Word

MOST_LINES = 50  # of one message in which many are told
LONGEST_TITLE = 200
SIGNS = {"danger": "✖", "warning": "!", "success": "✔"}
WORST_FIRST = ("danger", "warning", "success")


def title_of(message: Message) -> str:
    """The subject of a mail: all that a phone shows."""
    sign = SIGNS[message.level]
    first = f"OVER: {message.sentence}" if message.word is Word.ENDS else message.sentence
    return shortened(f"{sign} {first}", LONGEST_TITLE)


def body_of(message: Message, site: str) -> str:
    """Everything. site: by which name the panels are known."""
    lines = [message.sentence, "", f"{KINDS[message.kind].says} ({message.kind})."]
    lasted = span(message.lasted)
    if message.word is Word.ENDS:
        lines.append(f"It is over. It lasted {lasted}.")
    elif message.word is Word.REMINDS:
        lines.append(f"It goes on, for {lasted} now.")
    elif message.word is Word.FLAPS:
        lines.append("It comes and goes. Nothing more is said of it until it stays one way for 15 minutes.")
    lines += [
        "",
        f"Piranha Web on {site}. CONTROL/MONITORING shows what is now; alerts are set up on ALERTS.",
    ]
    return "\n".join(lines)


def digest(titles: Sequence[str], levels: Sequence[str]) -> tuple[str, str, str]:
    """Many messages as one: title, body, level."""
    level = next((one for one in WORST_FIRST if one in levels), "warning")
    shown = list(titles[:MOST_LINES])
    if len(titles) > MOST_LINES:
        shown.append(f"… and {len(titles) - MOST_LINES} more: CONTROL/MONITORING shows what is now.")
    return f"{SIGNS[level]} {len(titles)} alerts of Piranha Web", "\n".join(shown), level


def shortened(text: str, most: int) -> str:
    """In one line of at most so many signs."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def span(seconds: float) -> str:
    """A length of time for reading."""
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"
