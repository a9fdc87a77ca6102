"""Every kind of check, with a real server of the lab for it that can break in its own way."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from deploy.lab.namespaces import write_sysctls
from lvs.config.model import CheckKind, HealthCheck, Protocol, VirtualServer
from tests.kernel import traffic
from tests.kernel.check_lab import Scene, place_of
from tests.kernel.check_services import BAD, GOOD, Services, Talk, Where
from tests.kernel.traffic import virtual
from tests.programs import put
from tests.unit.nanny.authority import Authority

SECONDS = 2  # the time limit, from check to check; a busy guest takes half a second to begin a program
PING_OFF = "net/ipv4/icmp_echo_ignore_all"


@dataclass(frozen=True, slots=True)
class Certificates:
    """For s2, by an authority that the router is to trust. root: its certificate, a PEM file."""

    root: Path
    good: ssl.SSLContext
    expired: ssl.SSLContext

    @classmethod
    def of(cls, authority: Authority) -> Certificates:
        names = f"IP:{traffic.PRIVATE[1]}"
        return cls(authority.root, authority.server(names), authority.server(names, ends=timedelta(days=-1)))


@dataclass(frozen=True, slots=True)
class Kind:
    """A service with one real server. reason: found in what the check says once it is broken.

    silent: it fails by the check's time limit, SECONDS.
    """

    service: VirtualServer
    breaks: Callable[[], object]
    mends: Callable[[], object]
    reason: str
    silent: bool = False


class Kinds:
    """Those of the lab; each real server begins well."""

    def __init__(self, services: Services, folder: Path, certificates: Certificates) -> None:
        self._services = services
        self._folder = folder
        self._certificates = certificates

    def all(self) -> list[Kind]:
        web = (self.http(), self.slow(), self.https())
        return [*web, self.smtp(), self.dns(), self.exchange(), self.ping(), self.program()]

    def http(self) -> Kind:
        where = "s1", 8301
        self._services.answer(where, GOOD)
        check = HealthCheck(kind=CheckKind.HTTP, http_path="/health")
        return self._saying("http", where, check, BAD, "answered 503 Closed for lunch, not 200-399")

    def slow(self) -> Kind:
        where = "s2", 8302
        self._services.answer(where, GOOD)
        check = HealthCheck(kind=CheckKind.HTTP)
        return replace(self._saying("slow", where, check, None, "no answer within 2 s"), silent=True)

    def https(self) -> Kind:
        where = "s2", 8303
        talk = self._services.answering(where, GOOD)
        use = partial(self._secure, where, talk)
        use(self._certificates.good)
        check = HealthCheck(kind=CheckKind.HTTPS, tls_verify=True)
        return Kind(
            service("https", where, check=check),
            partial(use, self._certificates.expired),
            partial(use, self._certificates.good),
            "certificate expired on ",
        )

    def smtp(self) -> Kind:
        where = "s3", 8304
        self._services.mail(where, b"220 s3 ready\r\n")
        check = HealthCheck(kind=CheckKind.SMTP)
        refusal = b"554 no more disk\r\n"
        return self._saying("smtp", where, check, refusal, "greeting: expected 220, got '554 no more disk'")

    def dns(self) -> Kind:
        where = "s1", 8305
        self._services.names(where, b"NOERROR")
        check = HealthCheck(kind=CheckKind.DNS, dns_name="shop.example.com")
        made = self._saying("dns", where, check, b"SERVFAIL", "answered SERVFAIL")
        return replace(made, service=replace(made.service, protocol=Protocol.UDP))

    def exchange(self) -> Kind:
        where = "s3", 8306
        self._services.answer(where, b"ready for anything\r\n", after=b"?\n")
        check = HealthCheck(send="how are you?\\n", expect="ready")
        return self._saying("exchange", where, check, b"not ready\r\n", "expected 'ready', got 'not ready")

    def ping(self) -> Kind:
        where = "s2", 8307
        return Kind(
            service("ping", where, check=HealthCheck(kind=CheckKind.PING)),
            partial(write_sysctls, "s2", {PING_OFF: "1"}),
            partial(write_sysctls, "s2", {PING_OFF: "0"}),
            "ping: no reply within 2 s",
            silent=True,
        )

    def program(self) -> Kind:
        where = "s1", 8308
        folder = self._folder / "checks"
        folder.mkdir(exist_ok=True)
        broken = self._folder / "broken"
        put(folder, "licences", f'test ! -e {broken} || {{ echo "$1: none left" >&2; exit 3; }}')
        return Kind(
            service("program", where, check=HealthCheck(send_program="licences %h:%p")),
            broken.touch,
            broken.unlink,
            f"program ended with status 3: {traffic.PRIVATE[0]}:8308: none left",
        )

    def _saying(self, name: str, where: Where, check: HealthCheck, bad: bytes | None, reason: str) -> Kind:
        """One that breaks by what it says."""
        says = self._services.says
        good = says[where]
        turn = partial(says.__setitem__, where)
        return Kind(service(name, where, check=check), partial(turn, bad), partial(turn, good), reason)

    def _secure(self, where: Where, talk: Talk, context: ssl.SSLContext) -> None:
        self._services.open(where, talk, context)


def service(name: str, where: Where, **more: Any) -> VirtualServer:
    """A service by NAT with this real server alone."""
    made = virtual(name, traffic.NAT, port=where[1], timeout=SECONDS, **more)
    return replace(made, real_servers=tuple(one for one in made.real_servers if one.name == where[0]))


def all_serve(scene: Scene, kinds: list[Kind]) -> bool:
    return all(scene.watch.weights(place_of(kind.service)) for kind in kinds)


def says(scene: Scene, kind: Kind) -> bool:
    """Whether the status document has that reason."""
    found = scene.real_server(f"{kind.service.name}/{kind.service.real_servers[0].name}")
    return kind.reason in found["reason"]


def words(scene: Scene) -> str:
    found = scene.router.status()["virtual_servers"]
    return "\n".join(f"{of['name']}: {one['reason']}" for of in found for one in of["real_servers"])
