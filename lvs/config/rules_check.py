"""Rules about the check of a virtual server's real servers, and about the weights that follow from it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lvs.config.model import (
    AGENT_MONITOR,
    ANY_SUCCESS,
    NO_MONITOR,
    CheckKind,
    HealthCheck,
    HttpMethod,
    Problem,
    Protocol,
    VirtualServer,
)
from lvs.config.patterns import searcher
from lvs.config.program import program_words
from lvs.config.sentences import Place, error, warning

_HTTP = (CheckKind.HTTP, CheckKind.HTTPS)
# The directives that mean something to one kind only: attribute, directive, default, kinds.
_OWN = (
    ("http_method", HttpMethod.GET, _HTTP),
    ("http_path", None, _HTTP),
    ("http_host", None, _HTTP),
    ("http_status", ANY_SUCCESS, _HTTP),
    ("tls_verify", False, (CheckKind.HTTPS,)),
    ("tls_name", None, (CheckKind.HTTPS,)),
    ("tls_expiry", 14, (CheckKind.HTTPS,)),
    ("dns_name", None, (CheckKind.DNS,)),
    ("send", None, (CheckKind.AUTO,)),
    ("send_program", None, (CheckKind.AUTO,)),
    ("expect", None, (CheckKind.AUTO, *_HTTP, CheckKind.DNS)),
)
_PATH = re.compile(
    r"/[!-~]*"
)  # RFC 3986 has fewer signs, servers take more; blanks would end the request line
_HOST = re.compile(
    r"[0-9A-Za-z_](?:[0-9A-Za-z_.-]*[0-9A-Za-z_])?(?::[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](?::[0-9]{1,5})?"
)
_NAME = re.compile(r"[0-9A-Za-z_](?:[0-9A-Za-z_.-]*[0-9A-Za-z_])?")
_DNS_NAME = re.compile(r"\.|(?:[!-\-/-~]{1,63}\.)*[!-\-/-~]{1,63}\.?")
_FOLDER = "the folder checks beside lvs.cf (/etc/piranha/checks)"
_COPY = f"only programs of {_FOLDER} are run: copy {{name}} there on each router, owned by root, mode 0755"
_PIRANHA_MONITORS = ("uptime", "rup", "ruptime")


def check_problems(place: Place, service: VirtualServer) -> Iterator[Problem]:
    """What is wrong with, or odd about, the check."""
    check = service.check
    yield from _without_effect(place, check)
    if check.kind is CheckKind.AUTO:
        yield from _as_piranha(place, service)
    elif check.kind in _HTTP:
        yield from _http(place, check)
    elif check.kind is CheckKind.DNS:
        if check.dns_name is not None and not _DNS_NAME.fullmatch(check.dns_name):
            yield error(
                place, "dns_name", "dns_name is no name of the DNS: write one such as www.example.com"
            )
    elif check.kind is CheckKind.PING and check.check_port is not None:
        yield warning(place, "check_port", "a ping has no port: remove check_port")
    elif check.kind is CheckKind.NONE:
        yield warning(place, "kind", "its real servers are never checked: dead ones keep getting connections")
    yield from _regular_expression(place, check)


def _without_effect(place: Place, check: HealthCheck) -> Iterator[Problem]:
    for name, default, kinds in _OWN:
        if check.kind not in kinds and getattr(check, name) != default:
            yield warning(
                place,
                name,
                f"{name} has no effect with check = {check.kind}: remove it, or choose another check",
            )


def _as_piranha(place: Place, service: VirtualServer) -> Iterator[Problem]:
    check = service.check
    if check.send_program is not None:
        yield from _program(place, check, check.send_program)
    elif check.use_regex and check.expect is None:
        yield warning(place, "use_regex", "use_regex has no effect without expect: set expect")
    nothing_to_say = check.send is None and check.expect is None and check.send_program is None
    if service.protocol is Protocol.UDP and nothing_to_say:
        yield warning(
            place,
            "send",
            "a UDP real server counts as healthy only when it answers: set send to something that it answers",
        )


def _program(place: Place, check: HealthCheck, command: str) -> Iterator[Problem]:
    if check.send is not None:
        yield warning(place, "send", "send has no effect beside send_program: remove one of them")
    try:
        words = program_words(command)
    except ValueError as failure:
        yield error(place, "send_program", f"send_program: {failure}")
        return
    name = words[0].rpartition("/")[2]
    if name in ("", ".", ".."):
        yield error(place, "send_program", "send_program names no program: write NAME and its arguments")
    elif name != words[0]:
        yield warning(
            place,
            "send_program",
            f"{_COPY.format(name=name)}, and see that it ends with status 0 where the real server is well",
        )


def _http(place: Place, check: HealthCheck) -> Iterator[Problem]:
    if check.http_path is not None and not _PATH.fullmatch(check.http_path):
        yield error(
            place, "http_path", "http_path must begin with / and have no blanks: write %20 for a blank"
        )
    if check.http_host is not None and not _HOST.fullmatch(check.http_host):
        yield error(place, "http_host", "http_host is no host name: write one such as www.example.com")
    if check.tls_name is not None and not _NAME.fullmatch(check.tls_name):
        yield error(place, "tls_name", "tls_name is no host name: write one such as www.example.com")
    if check.http_method is HttpMethod.HEAD and check.expect is not None:
        yield warning(
            place, "expect", "an answer to HEAD has no body: remove expect, or write http_method = GET"
        )


def _regular_expression(place: Place, check: HealthCheck) -> Iterator[Problem]:
    """expect as `lvs.config.patterns` takes it."""
    if not check.use_regex or check.expect is None:
        return
    try:
        searcher(check.expect.encode())
    except ValueError as failure:
        yield error(
            place, "expect", f"expect is not a regular expression ({failure}): correct it, or use_regex = 0"
        )


def weight_problems(place: Place, service: VirtualServer) -> Iterator[Problem]:
    """What is wrong with, or odd about, load monitor, agent, and pool protection."""
    monitor = service.load_monitor
    if monitor == AGENT_MONITOR:
        if service.agent_port is None:
            yield error(place, "agent_port", "load_monitor = agent needs its port: set agent_port")
    else:
        for name in ("agent_port", "agent_send"):
            if getattr(service, name) is not None:
                yield warning(
                    place, name, f"{name} has no effect without load_monitor = agent: write that too"
                )
    if monitor in _PIRANHA_MONITORS:
        sample, other = (
            ("its sample, deploy/checks/uptime,", "") if monitor == "uptime" else ("one", "uptime or ")
        )
        yield warning(
            place,
            "load_monitor",
            f"load_monitor {monitor} runs the program {monitor} of {_FOLDER}: put {sample} there on each "
            f"router, or use {other}agent",
        )
    elif monitor.rpartition("/")[2] in ("", ".", ".."):
        yield error(place, "load_monitor", "load_monitor names no program: write none, agent, or a name")
    elif "/" in monitor:
        yield warning(place, "load_monitor", _COPY.format(name=monitor.rpartition("/")[2]))
    if monitor == NO_MONITOR and service.weight_floor is not None:
        yield warning(place, "weight_floor", "weight_floor has no effect without load_monitor: remove it")
    if service.protection and service.sorry_server is not None:
        yield warning(
            place,
            "protection",
            "pool_protection keeps real servers in whatever their checks say, so the sorry server serves "
            "only when you take them out: choose one of the two",
        )
