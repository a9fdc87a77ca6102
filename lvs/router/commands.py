"""`piranha plan FILE`: the kernel state that an lvs.cf wants of a router, printed.

Every real server is taken as healthy: the plan shows the table as it is when all is well.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from lvs.config import check
from lvs.config.model import LvsConfig
from lvs.errors import ConfigError
from lvs.router import netfilter, plan
from lvs.router.state import Destination, DestinationKey, Health, KernelState, Role, Service, ServiceKey


def plan_command(path: str, role: str) -> int:
    """Prints the plan of the file (- for standard input); the exit code: 0 printed, 1 not a valid lvs.cf."""
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        sys.stderr.write(f"{path}: cannot be read: {error.strerror}\n")
        return 1
    try:
        config = check.load(text)
    except ConfigError as error:
        for problem in error.problems:
            sys.stderr.write(f"{path}:{problem.line or 1}: {problem.severity}: {problem.message}\n")
        return 1
    sys.stdout.writelines(f"{line}\n" for line in lines(config, Role(role)))
    return 0


def lines(config: LvsConfig, role: Role) -> Iterator[str]:
    """The wanted state, section by section, in the order in which pulse brings it about."""
    wanted = plan.wanted(config, role, dict.fromkeys(plan.keys(config).values(), Health.HEALTHY))
    yield f"# What lvs.cf serial {config.global_settings.serial_no} wants of the {role} router, all healthy."
    yield from section("modules", sorted(wanted.modules))
    yield from section("sysctl", (f"{path} = {value}" for path, value in sorted(wanted.sysctls.items())))
    yield from section("ipvs", table_lines(wanted))
    rules = wanted.netfilter
    yield from section("netfilter", netfilter.text(rules).splitlines() if rules else ())
    yield from section(
        "addresses",
        (
            f"{one.address}/{one.prefix} on {one.interface}" + (f" label {one.label}" if one.label else "")
            for one in sorted(
                wanted.addresses, key=lambda one: (one.interface, one.address.version, one.address.packed)
            )
        ),
    )


def section(name: str, rows: Iterator[str] | list[str] | tuple[str, ...]) -> Iterator[str]:
    """A headed section; an empty one says so."""
    yield ""
    yield f"[{name}]"
    printed = False
    for row in rows:
        yield row
        printed = True
    if not printed:
        yield "# nothing"


def table_lines(wanted: KernelState) -> Iterator[str]:
    """The IPVS table: a line a service, its real servers below it."""
    for key, service in wanted.services.items():
        yield service_line(key, service)
        for destination_key, destination in wanted.destinations.get(key, {}).items():
            yield destination_line(destination_key, destination)


def service_line(key: ServiceKey, service: Service) -> str:
    """tcp 192.168.26.10:80 scheduler wlc persistence 300 s by /24."""
    words = [str(key), f"scheduler {service.scheduler}"]
    if service.flags & ~PERSISTENT:
        words.append(f"flags {service.flags & ~PERSISTENT:#x}")
    if service.persistence:
        words.append(f"persistence {service.persistence} s by /{service.netmask}")
    return " ".join(words)


PERSISTENT = 0x1  # IP_VS_SVC_F_PERSISTENT, include/uapi/linux/ip_vs.h: said in words


def destination_line(key: DestinationKey, destination: Destination) -> str:
    """-> 10.11.12.1:80 nat weight 1."""
    limits = (
        f" thresholds {destination.lower_threshold}..{destination.upper_threshold}"
        if destination.upper_threshold
        else ""
    )
    return f"  -> {key} {destination.forwarding} weight {destination.weight}{limits}"
