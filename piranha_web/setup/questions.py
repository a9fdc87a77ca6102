"""The questions of `piranha setup`: what a flag says is not asked; what is set already Enter takes.

They are judged by `piranha_web.setup.answers`; a database and a Redis are tried as they are typed.
"""

from __future__ import annotations

import socket
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

from piranha_web.access import networks as allowed
from piranha_web.access.passwords import fault_of
from piranha_web.setup import answers as judged
from piranha_web.setup import named_files, networks, own_redis
from piranha_web.setup.answers import OWN, SQLITE, Answers, Kind, Odd
from piranha_web.setup.asking import Asked, until_understood
from piranha_web.setup.machine import console_address, everywhere, own_networks, trouble_at
from piranha_web.setup.place import NotSetUp, Place
from piranha_web.tls import names
from piranha_web.tls.binds import is_local
from piranha_web.tls.certificates import TlsRefused, usable

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """What is set up already. state: as `piranha manage site_state` says it; router: this machine's own."""

    settings: Mapping[str, str]
    state: Mapping[str, Any]
    router: str = ""
    database: str = field(default="", repr=False)
    redis: str = field(default="", repr=False)
    redis_configuration: str = ""

    @property
    def kind(self) -> Kind:
        """What this machine is; a single one, where nothing says otherwise."""
        if not self.router:
            return Kind.MANAGER if self.settings else Kind.SINGLE
        return Kind.SINGLE if self.settings else Kind.ROUTER


@dataclass(frozen=True, slots=True)
class Password:
    """The administrator's: text (None: as it is), or one that is made and printed."""

    text: str | None = field(default=None, repr=False)
    is_random: bool = False


class Questions:
    """Asks whoever sits there, or takes what is said by flags and else what is usual (whom: None)."""

    def __init__(self, whom: Asked | None, given: Namespace, present: Present, place: Place) -> None:
        self.whom = whom
        self.given = given
        self.present = present
        self.place = place

    def ask(
        self, prompt: str, flag: str | None, default: str, understand: Callable[[str], T], shown: str = ""
    ) -> T:
        """One answer. shown: the default as it is shown. NotSetUp: a flag cannot be taken."""
        if flag is not None or self.whom is None:
            try:
                return understand(default if flag is None else flag)
            except ValueError as error:
                raise NotSetUp(f"{prompt}: {error}") from error
        question = f"{prompt} [{shown or default or 'none'}]: "
        return until_understood(self.whom, question, lambda text: understand(text or default))

    def explain(self, flag: object, *lines: str) -> None:
        """Says something before a question that is going to be asked."""
        if self.whom is not None and flag is None:
            self.whom.say()
            for line in lines:
                self.whom.say(line)

    def kind(self) -> Kind:
        """What this machine is to be."""
        self.explain(self.given.kind, "What is this machine to be?")
        self.explain(
            self.given.kind, *(f"  {n}  {k}: {w}" for n, (k, w) in enumerate(judged.KINDS.items(), 1))
        )
        return self.ask("This machine", self.given.kind, self.present.kind, judged.kind_of)

    def answers(self, kind: Kind) -> Answers:
        """All that a manager needs to know."""
        given, settings = self.given, self.present.settings
        routers, cluster = self.routers(kind)
        self.explain(
            given.bind,
            f"Where are the pages served? {judged.EVERYWHERE} is every address of this machine, by TLS,",
            f"{judged.EVERYWHERE_6} those of IPv6 as well; {judged.HERE} is this machine alone, without TLS.",
        )
        binds = self.ask("Address", given.bind, settings.get("PIRANHA_BIND") or everywhere(), judged.binds_of)
        port = self.port(binds)
        certificate, key = self.certificate(binds)
        database = self.database()
        redis, ca = self.redis()
        reached = self.reached_at() if kind is Kind.MANAGER and redis == OWN else ""
        before = own_redis.port_in(self.present.redis_configuration) if kind is self.present.kind else 0
        redis_port = judged.port_of(given.redis_port) if given.redis_port else before
        return Answers(
            kind=kind, cluster=cluster, routers=routers, binds=binds, port=port, certificate=certificate,
            key=key, database=database, redis=redis, redis_ca=ca, redis_port=redis_port, reached_at=reached,
        )  # fmt: skip

    def port(self, binds: Sequence[str]) -> int:
        """The port of the pages; it is ours, or nobody listens there."""
        before = self.present.settings.get("PIRANHA_PORT", "")

        def free(text: str) -> int:
            port = judged.port_of(text)
            why = "" if str(port) == before else trouble_at(binds, port)
            if why:
                raise Odd(why)
            return port

        return self.ask("Port", self.given.port, before or str(judged.PORT), free)

    def routers(self, kind: Kind) -> tuple[tuple[str, ...], str]:
        """The routers' names, and their cluster's."""
        known = self.present.state["routers"]
        if kind is Kind.SINGLE:
            usual = self.present.router or (
                known[0]["name"] if known else socket.gethostname().partition(".")[0]
            )
            flag = self.given.router[0] if self.given.router else None
            self.explain(flag, "The name of this machine as a router; in the panels it is called so.")
            found: tuple[str, ...] = (self.ask("Router", flag, usual, judged.name_of),)
        else:
            flag = " ".join(self.given.router) if self.given.router else None
            self.explain(
                flag, "The names of the routers: the primary, then the backup; none: later, in the panels."
            )
            usual = " ".join(
                one["name"] for one in sorted(known, key=lambda one: one["node"] != "primary")[:2]
            )
            found = self.ask(
                "Routers", flag, usual, lambda text: judged.names_of("" if text == "none" else text)
            )
        missing = [name for name in found if name not in [one["name"] for one in known]]
        if not missing:
            return found, ""
        return found, self.ask("Cluster", self.given.cluster, "main", judged.cluster_of)

    def certificate(self, binds: Sequence[str]) -> tuple[Path | None, Path | None]:
        """The administrator's certificate and key; (None, None): the server makes its own."""
        if all(is_local(one) for one in binds) and self.given.tls_cert is None:
            return None, None
        settings = self.present.settings
        self.explain(
            self.given.tls_cert,
            "The certificate of the pages: a file (PEM), or own: one is made, and its SHA-256 printed.",
        )
        usual = settings.get("PIRANHA_TLS_CERT", OWN)
        certificate = self.ask("Certificate", self.given.tls_cert, usual, path_or_own)
        if certificate is None:
            return None, None
        before = settings.get("PIRANHA_TLS_KEY", "") if str(certificate) == usual else ""

        def pair(text: str) -> Path | None:
            key = None if text in ("", "same") else Path(text)
            for path in (certificate, key or certificate):
                self.refuse_unseen(path)
            try:
                usable(certificate, key or certificate, datetime.now(UTC))
            except TlsRefused as error:
                raise Odd(str(error)) from error
            return key

        flag = self.given.tls_key or ("same" if self.given.tls_cert else None)
        return certificate, self.ask(
            "Key (a file; same: it is in the same one)", flag, before or "same", pair
        )

    def database(self) -> str:
        """SQLITE, or the URL of a PostgreSQL that answers."""
        flag = said(self.given.database, self.given.database_file, "--database")
        before = self.present.database or SQLITE
        self.explain(
            flag, f"The database: {SQLITE} (a file, enough for most), or postgresql://USER@HOST/DATABASE."
        )

        def tried(text: str) -> str:
            url = judged.database_of(text)
            if url not in (SQLITE, before):
                for path in named_files.of_database(url):
                    self.refuse_unseen(path)
                url = self.with_password(url, "Password of the database (Enter: none): ", flag)
                trouble = self.place.state({"PIRANHA_VAR": str(self.place.var), "DATABASE_URL": url})[
                    "trouble"
                ]
                if trouble:
                    raise Odd(f"That database cannot be used: {trouble}")
            return url

        return self.ask("Database", flag, before, tried, judged.shown(before))

    def redis(self) -> tuple[str, Path | None]:
        """OWN, or the URL of a Redis that answers; and the authority of its certificate."""
        flag = said(self.given.redis, self.given.redis_file, "--redis")
        is_own = not self.present.redis or own_redis.is_own(
            self.present.redis, self.present.redis_configuration
        )
        before = OWN if is_own else self.present.redis
        named = self.given.redis_ca or (None if is_own else self.present.settings.get("PIRANHA_BROKER_CA"))
        ca = Path(named).absolute() if named else None
        self.explain(
            flag,
            f"Redis, between the manager and its routers: {OWN} (on this machine, for it alone), or a URL.",
        )

        def tried(text: str) -> tuple[str, Path | None]:
            url = judged.redis_of(text)
            if url == OWN:
                own_redis.program()
                return url, ca
            if ca is not None:
                self.refuse_unseen(ca)
            if url != before:
                url = self.with_password(url, "Password of Redis (Enter: none): ", flag)
            signer, why = ca, own_redis.trouble(url, ca)
            if own_redis.UNTRUSTED in why and ca is None and self.whom is not None and flag is None:
                typed = self.whom.line("Who signed its certificate (a file, PEM; Enter: nobody known): ")
                if typed:
                    signer = Path(typed).absolute()
                    self.refuse_unseen(signer)
                    why = own_redis.trouble(url, signer)
            if why:
                hint = (
                    ". Name who signed its certificate: --redis-ca FILE" if own_redis.UNTRUSTED in why else ""
                )
                raise Odd(f"That Redis cannot be used: {why.rstrip('.')}{hint}.")
            return url, signer

        return self.ask("Redis", flag, before, tried, judged.shown(before))

    def refuse_unseen(self, path: Path) -> None:
        """Odd: that file is of no use to the site."""
        if why := named_files.trouble(path, for_services=self.place.is_real):
            raise Odd(why)

    def with_password(self, url: str, prompt: str, flag: str | None) -> str:
        """A URL that was typed, with its password, which is not shown."""
        parts = urlsplit(url)
        if self.whom is None or flag is not None or parts.password or not parts.hostname:
            return url
        password = self.whom.secret(prompt)
        if not password:
            return url
        where = parts.netloc.rpartition("@")[2]
        return parts._replace(netloc=f"{parts.username or ''}:{quote(password, safe='')}@{where}").geturl()

    def reached_at(self) -> str:
        """By which name or address the routers find this machine."""
        found = [one for one in names.addresses() if not allowed.address_of(one).is_loopback]  # type: ignore[union-attr]
        before = urlsplit(self.present.settings.get("PIRANHA_ROUTER_BROKER_URL", "")).hostname
        flag = self.given.reached_at
        self.explain(flag, "By which name or address do the routers reach this machine?")
        usual = before or (found[0] if found else socket.getfqdn())
        return self.ask("Reached at", flag, usual, judged.host_of)

    def networks(self) -> tuple[networks.Offer, ...] | None:
        """Which networks may reach the pages; None: as it is."""
        present = self.present.state["allow"]
        listed = None if present is None else {allowed.network_of(one): note for one, note in present.items()}
        if self.given.allow is None and self.whom is None and listed is not None:
            return None
        offered = networks.offers(own_networks(), listed)
        flag = None if self.given.allow is None else " ".join(self.given.allow)
        self.explain(
            flag,
            "Which networks may reach the pages? Anybody else is refused, but this machine itself.",
            *networks.lines(offered),
            networks.HELP,
        )
        taken = self.ask("Networks", flag, "", lambda text: networks.chosen(text, offered), "those with a *")
        kept = networks.with_console(taken, console_address())
        if self.whom is not None and len(kept) > len(taken):
            self.whom.say(f"  {kept[-1].network} is added: you come from there by SSH.")
        same = listed is not None and {one.network for one in kept} == set(listed)
        return None if same else kept

    def password(self) -> Password:
        """The administrator's password, for the account piranha."""
        if self.given.password_stdin:
            return Password(sys.stdin.readline().rstrip("\r\n"))
        has_one = self.present.state["password"]
        if self.whom is None or self.given.password_random:
            return Password(is_random=self.given.password_random or not has_one)
        self.explain(None, "The password of the account piranha, who may do everything.")
        enter = "Enter: it stays" if has_one else "Enter: one is made and printed"
        while text := self.whom.secret(f"Password ({enter}): "):
            if fault := fault_of(text):
                self.whom.say(f"  {fault}")
            elif self.whom.secret("Again: ") == text:
                return Password(text)
            else:
                self.whom.say("  The two do not match.")
        return Password(is_random=not has_one)


def said(url: str | None, file: Path | None, flag: str) -> str | None:
    """A URL of the command line, or of the file that it names."""
    if file is not None:
        try:
            return file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeError) as error:
            raise NotSetUp(f"{file} cannot be read: {error}.") from error
    try:
        return None if url is None else judged.without_password(url, flag)
    except Odd as error:
        raise NotSetUp(str(error)) from error


def path_or_own(text: str) -> Path | None:
    """A file, or OWN."""
    return None if text in ("", OWN) else Path(text).absolute()
