"""What a router's status document comes to as metrics, from the manager as by `piranha metrics`. Pure.

How many series there are: about 60 for each router; 5 for each virtual server in service and one for each
state that its real servers are in; 6 for each real server, where those are asked for. `Limits` says where it
ends. Beyond that the virtual servers with the longest way from the top of lvs.cf are left out, and
`piranha_metrics_left_out` says how many.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lvs.reported.counted import BOUNDS
from lvs.reported.exposition import COUNTER, GAUGE, HISTOGRAM, Metric, Page
from lvs.reported.standing import ASIDE, Standing, standing_of

Status = Mapping[str, Any]
Counts = Mapping[str, Sequence[int] | None]

R = ("router",)
V = ("router", "virtual_server")
S = ("router", "virtual_server", "real_server", "address")

INFO = Metric("piranha_pulse_info", GAUGE, "1, with what runs there.", (*R, "node", "mode", "version"))
STARTED = Metric("piranha_pulse_start_time_seconds", GAUGE, "When pulse began, since the epoch.", R)
ACTIVE = Metric("piranha_router_active", GAUGE, "1: the active router; 0: the standby.", R)
SINCE = Metric("piranha_router_role_since_seconds", GAUGE, "Since when it has that role, since the epoch.", R)
FIT = Metric("piranha_router_fit", GAUGE, "1: it could serve; 0: it says why not.", R)
SET_ASIDE = Metric("piranha_router_set_aside", GAUGE, "1: it was set aside for work on it.", R)
SERIAL = Metric("piranha_router_serial", GAUGE, "serial_no of the lvs.cf in force.", R)
PROBLEMS = Metric("piranha_router_problems", GAUGE, "Sentences about what is wrong on it.", R)
ALARMS = Metric("piranha_router_alarms", GAUGE, "Alarms of its heart: of the pair and the links.", R)
UNCONFIRMED = Metric("piranha_router_unconfirmed", GAUGE, "1: its lvs.cf waits to be confirmed.", R)
MISSING = Metric("piranha_floating_addresses_missing", GAUGE, "Floating addresses that are not raised.", R)
FOREIGN = Metric("piranha_foreign_services", GAUGE, "IPVS services that pulse did not make (50 at most).", R)
PEER = Metric("piranha_peer_alive", GAUGE, "1: it hears the other router.", R)
HEART = Metric("piranha_heart_alive", GAUGE, "1: its heart runs, and sends heartbeats.", R)
STRANGERS = Metric("piranha_strangers", GAUGE, "Strange machines that answer for a floating address.", R)
LINK = Metric("piranha_heartbeat_link_up", GAUGE, "1: heartbeats come by that link.", (*R, "link"))
SENT = Metric("piranha_heartbeats_sent_total", COUNTER, "Heartbeats sent.", (*R, "link"))
RECEIVED = Metric("piranha_heartbeats_received_total", COUNTER, "Heartbeats that came.", (*R, "link"))
LOST = Metric(
    "piranha_heartbeats_lost_total", COUNTER, "Heartbeats of which the number was left out.", (*R, "link")
)
REFUSED = Metric(
    "piranha_heartbeats_refused_total", COUNTER, "Datagrams that were not believed.", (*R, "reason")
)
ROLES = Metric(
    "piranha_role_changes_total", COUNTER, "Changes of role since pulse began.", (*R, "role", "reason")
)
CHECKS = Metric(
    "piranha_check_seconds",
    HISTOGRAM,
    "How long checks took, by what came of them: good, bad, unmade (by a fault of this router).",
    (*R, "kind", "result"),
)
SERVICES = Metric(
    "piranha_virtual_servers", GAUGE, "Active virtual servers by who takes new connections.", (*R, "state")
)
SERVERS = Metric("piranha_real_servers", GAUGE, "Active real servers by state.", (*R, "state"))
UP = Metric("piranha_virtual_server_up", GAUGE, "1: a real server takes its new connections.", V)
MEMBERS = Metric(
    "piranha_virtual_server_real_servers", GAUGE, "Its active real servers by state.", (*V, "state")
)
CONNECTIONS = Metric("piranha_virtual_server_connections_total", COUNTER, "Connections (IPVS).", V)
PACKETS_IN = Metric("piranha_virtual_server_packets_in_total", COUNTER, "Packets from clients (IPVS).", V)
PACKETS_OUT = Metric("piranha_virtual_server_packets_out_total", COUNTER, "Packets to clients (IPVS).", V)
BYTES_IN = Metric("piranha_virtual_server_bytes_in_total", COUNTER, "Bytes from clients (IPVS).", V)
BYTES_OUT = Metric("piranha_virtual_server_bytes_out_total", COUNTER, "Bytes to clients (IPVS).", V)
REAL_UP = Metric("piranha_real_server_up", GAUGE, "1: healthy, or forced up.", S)
REAL_WEIGHT = Metric("piranha_real_server_weight", GAUGE, "Its weight in the kernel.", S)
REAL_ACTIVE = Metric("piranha_real_server_active_connections", GAUGE, "Its open connections.", S)
REAL_CONNECTIONS = Metric("piranha_real_server_connections_total", COUNTER, "Connections (IPVS).", S)
REAL_IN = Metric("piranha_real_server_bytes_in_total", COUNTER, "Bytes from clients (IPVS).", S)
REAL_OUT = Metric("piranha_real_server_bytes_out_total", COUNTER, "Bytes to clients (IPVS).", S)
LEFT_OUT = Metric(
    "piranha_metrics_left_out", GAUGE, "What is not here because there are too many.", (*R, "what")
)

OF_SERVICE = (CONNECTIONS, PACKETS_IN, PACKETS_OUT, BYTES_IN, BYTES_OUT)
OF_A_ROUTER = (
    INFO, STARTED, ACTIVE, SINCE, FIT, SET_ASIDE, SERIAL, PROBLEMS, ALARMS, UNCONFIRMED, MISSING, FOREIGN,
    PEER, HEART, STRANGERS, LINK, SENT, RECEIVED, LOST, REFUSED, ROLES, CHECKS, SERVICES, SERVERS, UP,
    MEMBERS, *OF_SERVICE, REAL_UP, REAL_WEIGHT, REAL_ACTIVE, REAL_CONNECTIONS, REAL_IN, REAL_OUT, LEFT_OUT,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Limits:
    """How many virtual servers and real servers of one router have metrics of their own."""

    virtual_servers: int = 10_000
    real_servers: int = 0


def add_router(page: Page, name: str, status: Status) -> None:
    """A router itself. name: of the label."""
    page.add(INFO, 1, name, status["node"], status["mode"], status["version"])
    page.add(STARTED, status["started_at"], name)
    page.add(ACTIVE, status["role"] == "active", name)
    if status["serial"] is not None:
        page.add(SERIAL, status["serial"], name)
    page.add(PROBLEMS, len(status["problems"]), name)
    page.add(UNCONFIRMED, bool(status.get("unconfirmed")), name)
    page.add(MISSING, _missing(status), name)
    page.add(FOREIGN, len(status["foreign"]), name)
    part = status.get("redundancy")
    if part:
        _add_pair(page, name, part)
        page.add(SET_ASIDE, bool(status.get("aside")), name)
    counted = status.get("counted")
    if counted:
        _add_counted(page, name, counted)


def _missing(status: Status) -> int:
    """On a standby none is meant to be raised."""
    if status["role"] != "active":
        return 0
    return sum(not one["present"] for one in status["addresses"])


def _add_pair(page: Page, name: str, part: Status) -> None:
    page.add(SINCE, part["since"], name)
    page.add(FIT, part["fit"], name)
    page.add(ALARMS, len(part["alarms"]), name)
    page.add(PEER, bool(part["peer"] and part["peer"]["alive"]), name)
    page.add(HEART, part["heart"]["alive"], name)
    page.add(STRANGERS, len(part["strangers"]), name)
    for link in part["links"]:
        page.add(LINK, link["alive"], name, link["name"])
        for metric, word in ((SENT, "sent"), (RECEIVED, "received"), (LOST, "lost")):
            page.add(metric, link[word], name, link["name"])
    for reason, count in part["refused"].items():
        page.add(REFUSED, count, name, reason)


def _add_counted(page: Page, name: str, counted: Status) -> None:
    for one in counted["roles"]:
        page.add(ROLES, one["count"], name, one["role"], one["reason"])
    for one in counted["checks"]:
        if len(one["within"]) == len(BOUNDS) + 1:  # else a pulse of another version, with other bounds
            page.add_within(CHECKS, BOUNDS, one["within"], one["seconds"], name, one["kind"], one["result"])


def add_standings(page: Page, name: str, standings: Mapping[str, Standing], limits: Limits) -> None:
    """How a router's virtual servers stand."""
    services: dict[str, int] = {}
    servers: dict[str, int] = {}
    for standing in standings.values():
        services[standing.state] = services.get(standing.state, 0) + 1
        for state, count in standing.counts.items():
            if state not in ASIDE:
                servers[state] = servers.get(state, 0) + count
    page.add_many(SERVICES, (((name, state), count) for state, count in services.items()))
    page.add_many(SERVERS, (((name, state), count) for state, count in servers.items()))
    shown = list(standings.items())[: limits.virtual_servers]
    page.add_many(UP, (((name, one), standing.state == "in_service") for one, standing in shown))
    page.add_many(
        MEMBERS,
        (
            ((name, one, state), count)
            for one, standing in shown
            for state, count in standing.counts.items()
            if state not in ASIDE
        ),
    )
    page.add(LEFT_OUT, len(standings) - len(shown), name, "virtual servers")


def add_counts(page: Page, name: str, counts: Counts, limits: Limits) -> None:
    """What the kernel counted for virtual servers; those without a packet are left out, as on a standby."""
    shown = [(one, numbers) for one, numbers in counts.items() if numbers and any(numbers)]
    for place, metric in enumerate(OF_SERVICE):
        page.add_many(
            metric, (((name, one), numbers[place]) for one, numbers in shown[: limits.virtual_servers])
        )


def add_real_servers(page: Page, name: str, parts: Iterable[Status], limits: Limits) -> None:
    """The real servers one by one. parts: virtual servers of the status document."""
    left_out = 0
    rows: list[tuple[tuple[str, str, str, str], Status]] = []
    for part in parts:
        room = limits.real_servers - len(rows)
        members = part["real_servers"]
        left_out += max(0, len(members) - room)
        for one in members[:room]:
            port = f":{one['port']}" if one["port"] else ""
            rows.append(((name, part["name"], one["name"], f"{one['address']}{port}"), one))
    for metric, values in _of_rows(rows):
        page.add_many(metric, values)
    page.add(LEFT_OUT, left_out, name, "real servers")


def _of_rows(
    rows: Sequence[tuple[tuple[str, str, str, str], Status]],
) -> Iterator[tuple[Metric, Iterator[tuple[Sequence[str], float]]]]:
    yield REAL_UP, ((labels, float(_is_up(one))) for labels, one in rows)
    yield REAL_WEIGHT, ((labels, one["weight"]) for labels, one in rows if one["weight"] is not None)
    for metric, word in (
        (REAL_ACTIVE, "active"),
        (REAL_CONNECTIONS, "connections"),
        (REAL_IN, "bytes_in"),
        (REAL_OUT, "bytes_out"),
    ):
        yield metric, _counted(rows, word)


def _counted(
    rows: Sequence[tuple[tuple[str, str, str, str], Status]], word: str
) -> Iterator[tuple[Sequence[str], float]]:
    for labels, one in rows:
        if one["counters"]:
            yield labels, one["counters"][word]


def _is_up(one: Status) -> bool:
    return one["health"] == "healthy" or (one.get("hand") or {}).get("order") == "up"


def page_of(status: Status, limits: Limits) -> Page:
    """Everything that a whole status document says of its router."""
    page = Page()
    name, parts = status["name"], status["virtual_servers"]
    add_router(page, name, status)
    add_standings(page, name, {part["name"]: standing_of(part) for part in parts}, limits)
    counts = {part["name"]: numbers_of(part["counters"]) for part in parts}
    add_counts(page, name, counts, limits)
    if limits.real_servers:
        add_real_servers(page, name, parts, limits)
    return page


def numbers_of(counters: Status | None) -> list[int] | None:
    """A service's counters in the order of OF_SERVICE."""
    if counters is None:
        return None
    return [counters[word] for word in ("connections", "packets_in", "packets_out", "bytes_in", "bytes_out")]
