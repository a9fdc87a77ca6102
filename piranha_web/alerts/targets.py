"""Where alerts go: addresses in the words of apprise, in a file of mode 600 and nowhere else.

An address has a password or a key in it. It is read when something is sent, and shown to nobody again: pages,
terminals, logs and the database get its id and its mask. The file is JSON: a list of {id, url, note, by, at}.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import unquote, unquote_plus, urlsplit

from lvs.errors import LvsError
from lvs.rows.audit import harmless
from piranha_web.access.whole_file import locked, replace
from piranha_web.alerts import hosts

NAME = "alerts.targets"
MOST, LONGEST, LONGEST_NOTE = 50, 2000, 120
# What may be used, and what it is. Not those that run a program, write a file or need this machine's desktop.
SCHEMES = {
    "mailto": "mail, without TLS",
    "mailtos": "mail, with TLS",
    "json": "a webhook: JSON by plain HTTP",
    "jsons": "a webhook: JSON by HTTPS",
    "form": "a webhook: a form by plain HTTP",
    "forms": "a webhook: a form by HTTPS",
    "xml": "a webhook: XML by plain HTTP",
    "xmls": "a webhook: XML by HTTPS",
    "discord": "Discord",
    "gchat": "Google Chat",
    "gotify": "Gotify, plain HTTP",
    "gotifys": "Gotify",
    "matrix": "Matrix, plain HTTP",
    "matrixs": "Matrix",
    "mmost": "Mattermost, plain HTTP",
    "mmosts": "Mattermost",
    "msteams": "Microsoft Teams (connector)",
    "workflows": "Microsoft Teams (workflow)",
    "ntfy": "ntfy, plain HTTP",
    "ntfys": "ntfy",
    "opsgenie": "Opsgenie",
    "pagerduty": "PagerDuty",
    "pover": "Pushover",
    "rocket": "Rocket.Chat, plain HTTP",
    "rockets": "Rocket.Chat",
    "signal": "Signal (API), plain HTTP",
    "signals": "Signal (API)",
    "slack": "Slack",
    "splunk": "Splunk On-Call",
    "tgram": "Telegram",
    "wxteams": "Webex",
    "zulip": "Zulip",
}
# Of these the word behind // is a host; of the others it is a key, and part of the secret.
WITH_HOST = frozenset(
    name
    for one in ("mailto", "json", "form", "xml", "gotify", "matrix", "mmost", "ntfy", "rocket", "signal")
    for name in (one, f"{one}s")
)
# Of what may stand behind the question mark: what reads a file, says how to ask, or goes on elsewhere; and
# what has words of strangers read as HTML or Markdown.
NOT_ASKED = frozenset(
    ("template", "attach", "method", "redirect", "format", "pgp", "pgppub", "pgpprv", "pgpkey", "wkd")
)
_SHAPE = re.compile(r"[a-z]+://[\x21-\x7e]+")


class TargetRefused(LvsError):
    """The address was not taken; why, and what to write."""


@dataclass(frozen=True, slots=True)
class Target:
    """One of them. url: with its secrets."""

    id: str
    url: str
    note: str = ""
    by: str = ""
    at: str = ""

    @property
    def scheme(self) -> str:
        """The first word."""
        return self.url.partition("://")[0]

    @property
    def what(self) -> str:
        """What kind of target it is."""
        return SCHEMES.get(self.scheme, self.scheme)

    @property
    def has_host(self) -> bool:
        """Whether a machine is named behind //, and no key, and no topic that all can read who know it."""
        if self.scheme not in WITH_HOST:
            return False
        parts, said = urlsplit(self.url), dict(query_of(self.url))
        mode, way = said.get("mode", "").lower(), parts.path.strip("/") or parts.fragment or said.get("to")
        if self.scheme.startswith("ntfy"):
            return mode == "private" or (not mode and bool(way))
        if self.scheme.startswith("matrix"):
            return mode != "t2bot" and bool(mode or way or parts.password)
        return True

    @property
    def machines(self) -> tuple[str, ...]:
        """The machines that it names."""
        smtp = [word for name, word in query_of(self.url) if name == "smtp"]
        host = urlsplit(self.url).hostname if self.has_host or self.scheme == "workflows" else None
        return tuple(filter(None, [host, *smtp]))

    @property
    def mask(self) -> str:
        """The address with nothing in it that would let anybody use it."""
        parts = urlsplit(self.url)
        if not self.has_host:
            return f"{self.scheme}://…"
        to = re.search(r"[?&]to=([^&]+)", self.url) if self.scheme.startswith("mailto") else None
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        port = f":{_port(parts.netloc)}" if _port(parts.netloc) else ""
        return f"{self.scheme}://{host}{port}/…" + (f" to {harmless(unquote(to[1]), 100)}" if to else "")

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every word of the address that must not be shown, the longest first."""
        parts = urlsplit(self.url)
        whole = parts.netloc.rpartition("@")[0] if self.has_host else parts.netloc
        words = re.split(r"[/:@?&=,]", f"{whole}/{parts.path}?{parts.query}/{parts.fragment}")
        found = {one for word in words for one in (word, unquote(word)) if len(one) > 3}
        return tuple(sorted(found, key=len, reverse=True))

    def without_secrets(self, text: str) -> str:
        """A text about it, such as an error, that may be shown."""
        for word in self.secrets:
            text = text.replace(word, "…")
        return harmless(text, 500)


def _port(netloc: str) -> str:
    """What stands behind the host, if it is a number."""
    tail = netloc.rpartition("@")[2].rpartition(":")[2]
    return tail if tail.isdecimal() else ""


def read(path: Path) -> list[Target]:
    """All of them; [] where there is no file. TargetRefused: the file cannot be understood; OSError."""
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        return [Target(**{name: str(one.get(name, "")) for name in Target.__slots__}) for one in said]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError, AttributeError) as error:
        raise TargetRefused(
            f"{path} cannot be understood ({type(error).__name__}), so nobody is alerted: mend or remove it."
        ) from error


def judged(url: str) -> str:
    """An address as it is kept; TargetRefused: it is none that may be used. What apprise says comes later."""
    url = url.strip()
    scheme, _, rest = url.partition("://")
    url = f"{scheme.lower()}://{rest}"
    if len(url) > LONGEST or not _SHAPE.fullmatch(url):
        raise TargetRefused(
            "That is no address of a target. Write one such as jsons://hooks.example.org/path or "
            "mailtos://user:password@smtp.example.org?to=me@example.org."
        )
    if scheme.lower() not in SCHEMES:
        raise TargetRefused(f"{scheme.lower()}:// cannot be used here. These can: {', '.join(SCHEMES)}.")
    wrong = sorted(NOT_ASKED & {name for name, _word in query_of(url)})
    if wrong:
        raise TargetRefused(f"{wrong[0]}= cannot be used in the address of a target: leave it out.")
    try:
        judge_hosts(Target("", url), ask=False)
    except ValueError as error:
        raise TargetRefused(f"The machine in that address cannot be understood: {error}.") from error
    return url


def judge_hosts(target: Target, *, ask: bool) -> None:
    """TargetRefused where nothing may be sent to a machine that it names. ask: resolve names."""
    for host in target.machines:
        address = hosts.refused_of(host, ask=ask)
        if address:
            named = host if address == host else f"{host} ({address})"
            raise TargetRefused(
                f"{harmless(named, 200)} is no machine that alerts can go to: name one in your network."
            )


def query_of(url: str) -> list[tuple[str, str]]:
    """What stands behind the question mark, by whatever apprise takes for one; names in small letters."""
    parts = [one.partition("=") for one in re.split(r"[?&;]", url.partition("?")[2])]
    return [(unquote_plus(name).strip().lower(), unquote_plus(word).strip()) for name, _, word in parts]


def add(path: Path, url: str, note: str, *, by: str, at: str) -> Target:
    """One more. TargetRefused, OSError: nothing was changed."""
    kept = judged(url)
    target = Target(secrets.token_hex(4), kept, " ".join(harmless(note, LONGEST_NOTE).split()), by, at)

    def put(present: list[Target]) -> Sequence[Target]:
        if any(one.url == kept for one in present):
            raise TargetRefused("That address is among the targets already.")
        if len(present) >= MOST:
            raise TargetRefused(f"There are {MOST} targets, as many as there may be: remove one first.")
        return [*present, target]

    _change(path, put)
    return target


def remove(path: Path, name: str) -> Target:
    """One less; which it was. TargetRefused, OSError: nothing was changed."""
    gone: list[Target] = []

    def take(present: list[Target]) -> Sequence[Target]:
        gone.extend(one for one in present if one.id == name)
        if not gone:
            raise TargetRefused(f"There is no target {harmless(name, 20)}: look at the list as it is now.")
        return [one for one in present if one.id != name]

    _change(path, take)
    return gone[0]


def found(path: Path, name: str) -> Target:
    """The one of that id; TargetRefused, OSError."""
    for one in read(path):
        if one.id == name:
            return one
    raise TargetRefused(f"There is no target {harmless(name, 20)}: look at the list as it is now.")


def _change(path: Path, edit: Callable[[list[Target]], Sequence[Target]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path):
        made = [asdict(one) for one in edit(read(path))]
        replace(path, (json.dumps(made, indent=1, ensure_ascii=False) + "\n").encode())
