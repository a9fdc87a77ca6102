"""The IPVS table as `ipvsadm -Ln` prints it, with --stats and --rate too, from the status document. Pure.

Nothing runs ipvsadm. `lines` gives what stands in each line, so that a page can make its addresses links;
`table` is the text. The columns are those of ipvsadm 1.31 (ipvsadm(8)); what is not
known is a question mark. The first line of ipvsadm, with the kernel's version, is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from lvs.config.address import host

METHOD = {"nat": "Masq", "direct": "Route", "tunnel": "Tunnel"}
COUNTED = ("connections", "packets_in", "packets_out", "bytes_in", "bytes_out")
Rates = Mapping[str, float | None]  # of COUNTED, a second


class Show(StrEnum):
    """What is printed of each line: as ipvsadm's options say."""

    LIST = "list"
    STATS = "stats"
    RATE = "rate"


HEADS = {
    Show.LIST: (
        "Prot LocalAddress:Port Scheduler Flags",
        "  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn",
    ),
    Show.STATS: (
        "Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes",
        "  -> RemoteAddress:Port",
    ),
    Show.RATE: (
        "Prot LocalAddress:Port                 CPS    InPPS   OutPPS    InBPS   OutBPS",
        "  -> RemoteAddress:Port",
    ),
}


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table: before, place and after make it up. real_server: "" in the line of a service.

    place: the address with its port. virtual_server: "" of what is not pulse's.
    """

    before: str
    place: str
    after: str
    virtual_server: str
    real_server: str = ""

    def __str__(self) -> str:
        return f"{self.before}{self.place}{self.after}".rstrip()


def table(status: Mapping[str, Any], show: Show = Show.LIST) -> str:
    """Both pulse's own services and the foreign ones; not the rates, which no status document has."""
    found = lines([*status["virtual_servers"], *status["foreign"]], show)
    return "\n".join([*HEADS[show], *map(str, found)])


def lines(
    services: Iterable[Mapping[str, Any]],
    show: Show = Show.LIST,
    rates: Mapping[tuple[str, str], Rates] | None = None,
) -> Iterator[Line]:
    """The lines of these virtual servers of the status document, as far as they are in the kernel's table.

    rates: by virtual and real server ("": the virtual server itself).
    """
    for service in services:
        if not service["in_kernel"]:
            continue
        name = service["name"]
        yield service_line(service, show, (rates or {}).get((name, "")))
        sorry = service.get("sorry_server")
        servers = [*service["real_servers"], *([{"name": "", **sorry}] if sorry else [])]
        for server in servers:
            if server["weight"] is not None:
                rate = (rates or {}).get((name, server["name"]))
                yield destination_line(server, service, show, rate)


def service_line(service: Mapping[str, Any], show: Show, rates: Rates | None = None) -> Line:
    """TCP  192.168.26.10:80 wlc persistent 300, or FWM  80 wlc."""
    kind, _, rest = str(service["key"]).partition(" ")
    kind = "FWM" if kind == "fwmark" else kind.upper()
    place = rest.replace(" (IPv6)", " IPv6")
    before = f"{kind:<4} "
    if show is Show.LIST:
        persistent = f" persistent {service['persistence']}" if service["persistence"] else ""
        after = f" {service['scheduler']}{persistent}"
    else:
        after = " " * max(0, 33 - len(before) - len(place)) + numbers(service["counters"], show, rates)
    return Line(before, place, after, service["name"])


def destination_line(
    server: Mapping[str, Any], service: Mapping[str, Any], show: Show, rates: Rates | None = None
) -> Line:
    """-> 10.11.12.1:80  Masq  1  0  0, in ipvsadm's widths. forwarding None: pulse does not say."""
    place = f"{host(server['address'])}:{server['port']}"
    spare = " " * max(0, 28 - len(place))
    if show is Show.LIST:
        counters = server["counters"] or {"active": "?", "inactive": "?"}
        forwarding = service["forwarding"]
        method = METHOD.get(forwarding or "", forwarding) or "?"
        after = f"{spare} {method:<7} {server['weight']:<6} {counters['active']:<10} {counters['inactive']}"
    else:
        after = spare + numbers(server["counters"], show, rates)
    return Line("  -> ", place, after, service["name"], server["name"])


def numbers(counters: Mapping[str, Any] | None, show: Show, rates: Rates | None) -> str:
    """The five columns of --stats or --rate."""
    values = counters if show is Show.STATS else rates
    return "".join(number(values.get(name) if values else None) for name in COUNTED)


def number(value: float | None) -> str:
    """A number in nine columns as ipvsadm shortens it: 99999999, 100000K, 1000M, 100G; ? is not known."""
    if value is None:
        return f"{'?':>9}"
    whole = int(value)
    if whole < 100_000_000:
        return f"{whole:>9}"
    for size, unit, most in ((1000, "K", 10**9), (10**6, "M", 10**11), (10**9, "G", 10**14)):
        if whole < most:
            return f"{whole // size:>8}{unit}"
    return f"{whole // 10**12:>8}T"
