"""Remarks on whoever else works with IPVS or the virtual addresses on this machine. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from pathlib import PurePath

from lvs.config.address import host
from lvs.config.model import LvsConfig, PortRange, Protocol
from lvs.config.ports import asked_ports
from lvs.router import plan
from lvs.router.judges.words import some
from lvs.router.parameters import copies_connections
from lvs.router.seen import About, Level, Listener, Process, Remark, Seen
from lvs.router.state import ServiceKey, SyncDaemon

KEEPALIVED_FILE = "/etc/keepalived/keepalived.conf"
KUBE_INTERFACE = "kube-ipvs0"  # where kube-proxy keeps its services' addresses
INTERPRETERS = re.compile(r"(perl|python|ruby|sh|bash)[0-9.]*$")

# Programs of the old Piranha, and what writes to IPVS or moves addresses by itself.
OLD_PIRANHA = {"pulse": "Piranha's pulse", "lvsd": "Piranha's lvsd", "nanny": "Piranha's nanny"}
MANAGERS = {"keepalived", "ldirectord", "kube-proxy", *OLD_PIRANHA}
MOVERS = {"vrrpd": "vrrpd", "ucarp": "ucarp", "pacemakerd": "Pacemaker"}

BOTH_WRITE = "Two programs that both write IPVS' table undo each other's work."


def managers(seen: Seen, config: LvsConfig) -> Iterator[Remark]:
    """Other programs that run, by their names."""
    running: dict[str, list[Process]] = {}
    for process in seen.processes:
        running.setdefault(program(process), []).append(process)
    for name, found in sorted(running.items()):
        evidence = some(f"process {each.pid} ({' '.join(each.words[:4]) or each.name})" for each in found)
        if name == "kube-proxy":
            yield from _kube_proxy(seen, found, evidence)
        elif name == "keepalived":
            yield _keepalived(seen, evidence)
        elif name in MANAGERS:
            yield Remark(
                Level.ERROR,
                About.MANAGERS,
                f"{OLD_PIRANHA.get(name, name)} is running.",
                BOTH_WRITE,
                f"Stop it and keep it from starting: systemctl disable --now "
                f"{'pulse' if name in OLD_PIRANHA else name}. piranha can read its configuration "
                "first.",
                evidence,
            )
        elif name in MOVERS:
            yield Remark(
                Level.WARNING,
                About.MANAGERS,
                f"{MOVERS[name]} is running.",
                "It moves addresses between machines, as pulse does.",
                "Make sure that it knows none of the floating addresses of lvs.cf.",
                evidence,
            )


def program(process: Process) -> str:
    """Which program a process is: that of its command line, past an interpreter and its options."""
    words = [PurePath(word).name for word in process.words if word and not word.startswith("-")]
    is_text = any(word in ("-c", "-e") for word in process.words)  # sh -c TEXT
    if words and INTERPRETERS.match(words[0]) and len(words) > 1 and not is_text:
        return words[1]
    # A program may write what it likes over its command line, such as "nginx: worker".
    return words[0].partition(":")[0].split(" ")[0] if words else process.name


def _keepalived(seen: Seen, evidence: str) -> Remark:
    text = seen.files.get(KEEPALIVED_FILE)
    only_vrrp = text is not None and not re.search(r"^\s*(virtual_server|include)", text, re.MULTILINE)
    return Remark(
        Level.WARNING if only_vrrp else Level.ERROR,
        About.MANAGERS,
        "keepalived is running" + (", with VRRP alone." if only_vrrp else "."),
        "It moves addresses between machines, as pulse does." if only_vrrp else BOTH_WRITE,
        "Make sure that it knows none of the floating addresses of lvs.cf."
        if only_vrrp
        else "Stop it and keep it from starting: systemctl disable --now keepalived. If it is there for "
        f"VRRP, take its virtual_server blocks out of {KEEPALIVED_FILE}.",
        evidence,
    )


def _kube_proxy(seen: Seen, found: list[Process], evidence: str) -> Iterator[Remark]:
    words = " ".join(word for each in found for word in each.words)
    if KUBE_INTERFACE in seen.interfaces or re.search(r"proxy-mode[= ]ipvs", words):
        yield Remark(
            Level.ERROR,
            About.MANAGERS,
            "kube-proxy is running in its IPVS mode.",
            "It removes every IPVS service that is not its own.",
            "Take this machine out of the Kubernetes cluster, give kube-proxy the mode nftables or "
            "iptables, or exclude the virtual addresses (ipvs.excludeCIDRs in its configuration).",
            f"{evidence}{f', the interface {KUBE_INTERFACE}' if KUBE_INTERFACE in seen.interfaces else ''}",
        )


def table(seen: Seen, config: LvsConfig) -> Iterator[Remark]:
    """What is in IPVS that nobody of ours put there."""
    if seen.ipvs is None:
        return
    wanted = {plan.service_key(each) for each in config.virtual_servers if each.active}
    foreign = sorted(seen.ipvs.services - seen.owned.services, key=str)
    same = [key for key in foreign if key in wanted]
    others = [key for key in foreign if key not in wanted]
    if same:
        yield Remark(
            Level.WARNING,
            About.MANAGERS,
            f"IPVS has {_services(same)} already, which pulse did not put there.",
            "pulse takes over what lvs.cf names as well: their settings and real servers become those of "
            "lvs.cf.",
            "Find out whose they are before you apply. Real servers that lvs.cf does not name are taken out.",
            "ipvsadm -Ln",
        )
    if others:
        yield Remark(
            Level.WARNING,
            About.MANAGERS,
            f"IPVS has {_services(others)} that are not pulse's and not in lvs.cf.",
            "pulse leaves them alone; whoever put them there may still be at work.",
            "If nobody needs them any more, remove them: "
            + "; ".join(f"ipvsadm -D {_option(key)}" for key in others[:3])
            + ("; …" if len(others) > 3 else ""),
            "ipvsadm -Ln",
        )
    yield from _sync(seen.ipvs.sync, seen, config)


def _sync(running: frozenset[SyncDaemon], seen: Seen, config: LvsConfig) -> Iterator[Remark]:
    halves = sorted(each for each in running if each.state not in seen.owned.sync)
    if not halves:
        return
    copied = copies_connections(config.redundancy)
    where = some(dict.fromkeys(each.interface for each in halves))
    yield Remark(
        Level.WARNING if copied else Level.NOTE,
        About.MANAGERS,
        f"IPVS' sync daemon runs already, on {where}, and pulse did not start it.",
        "It copies connections, and there is one for each direction: pulse needs both for itself."
        if copied
        else "It copies connections of this router, or takes in those of others.",
        "Stop it: " + "; ".join(f"ipvsadm --stop-daemon {each.state}" for each in halves),
        "ipvsadm -L --daemon",
    )


def _services(keys: list[ServiceKey]) -> str:
    return f"{'the service' if len(keys) == 1 else f'{len(keys)} services'} {some(keys)}"


def _option(key: ServiceKey) -> str:
    if key.fwmark:
        return f"-f {key.fwmark}" + (" -6" if key.family == "inet6" else "")
    option = {Protocol.TCP: "-t", Protocol.UDP: "-u", Protocol.SCTP: "--sctp-service"}[
        key.protocol or Protocol.TCP
    ]
    return f"{option} {host(str(key.address))}:{key.port}"


def listeners(seen: Seen, config: LvsConfig) -> Iterator[Remark]:
    """Programs of this machine that wait where IPVS takes everything away."""
    by_port: dict[tuple[Protocol, int], list[Listener]] = {}
    for listener in seen.listeners:
        by_port.setdefault((listener.protocol, listener.port), []).append(listener)
    for each in config.virtual_servers:
        if not each.active or each.address is None:
            continue
        for protocol, ports in asked_ports(each):
            heard = (found for at, found in by_port.items() if at[0] is protocol and _is_in(at[1], ports))
            for listener in chain.from_iterable(heard):
                remark = _heard(listener, each.address.address, each.name)
                if remark:
                    yield remark


def _is_in(port: int, ports: PortRange) -> bool:
    return ports.first <= port <= ports.last


def _heard(listener: Listener, virtual: object, name: str) -> Remark | None:
    at = f"{listener.protocol} port {listener.port}"
    who = listener.program or "A program"
    evidence = f"ss -lnp: {listener.address} {at}"
    if listener.address == virtual:
        return Remark(
            Level.WARNING,
            About.LISTENERS,
            f"{who} of this machine listens at the virtual address {virtual}, {at}.",
            f"IPVS takes what comes there first, for {name}: nothing of it reaches that program.",
            "Have it listen at this machine's own address.",
            evidence,
        )
    # A socket of :: hears IPv4 too, unless it was told otherwise.
    if listener.address.is_unspecified and (
        listener.address.version == 6 or getattr(virtual, "version", 0) == 4
    ):
        return Remark(
            Level.NOTE,
            About.LISTENERS,
            f"{who} of this machine listens at every address, {at}, which {name} has at {virtual}.",
            "IPVS takes what comes to the virtual address first; at this machine's own addresses the program "
            "still answers. While the virtual server is not in force, it answers at the virtual address, "
            "too.",
            "Nothing need be done; to be clear, have it listen at this machine's own address.",
            evidence,
        )
    return None
