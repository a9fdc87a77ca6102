"""Remarks on the kernel: its modules, its parameters, what is limited, and the clock. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from lvs.config.model import Forwarding, LvsConfig
from lvs.config.ports import needs_ftp_helper, serves_ftp
from lvs.router.judges.words import some
from lvs.router.parameter_table import gateways, interfaces
from lvs.router.seen import About, Level, Remark, Seen

ENOUGH_TRACKED = 65536  # entries of nf_conntrack: some tens of megabytes
ENOUGH_PORTS = 4096  # as many checks as pulse has under way at once
FULL = 0.8
HELPER = "ip_vs_ftp"
EARLIEST = datetime(2025, 1, 1, tzinfo=UTC).timestamp()  # no clock of a machine with this program is before

Needs = dict[str, tuple[Level, str]]  # a module: how bad it is without, and what needs it


def modules(seen: Seen, config: LvsConfig) -> Iterator[Remark]:
    """Those that the configuration needs and this kernel has not got."""
    unknown = []
    for name, (level, why) in needed(config).items():
        usable = seen.modules.may_be_used(name)
        if usable is None:
            unknown.append(name)
        elif not usable:
            yield Remark(
                level,
                About.MODULES,
                f"This kernel cannot have the module {name}.",
                why,
                *_missing(seen, name),
            )
    yield from _two_ways_of_ftp(seen, config)
    if unknown:
        yield Remark(
            Level.NOTE,
            About.MODULES,
            f"Nobody can say whether this kernel has {some(unknown)}.",
            "What it lacks shows only when a configuration is applied.",
            f"Install the modules of this kernel, with their lists modules.dep and modules.builtin, in "
            f"/lib/modules/{seen.modules.release}, or try modprobe {unknown[0]}.",
            f"/lib/modules/{seen.modules.release} has no lists",
        )


def needed(config: LvsConfig) -> Needs:
    """The modules that a configuration makes use of, with what for."""
    needs: Needs = {}
    active = [each for each in config.virtual_servers if each.active and (each.address or each.fwmark)]
    if active:
        needs["ip_vs"] = Level.ERROR, "It balances: without it there is no virtual server."
    for each in active:
        name = f"ip_vs_{each.scheduler}"
        needs.setdefault(
            name, (Level.ERROR, f"Virtual server {each.name} has the scheduler {each.scheduler}.")
        )
        if each.address and each.address.address.version == 6:
            needs.setdefault("ipv6", (Level.ERROR, f"Virtual server {each.name} has an IPv6 address."))
    translated = [each for each in active if config.forwarding_of(each) is Forwarding.NAT]
    if translated or any(each.fwmark for each in active):
        needs["nf_tables"] = Level.ERROR, "It sets firewall marks, and masquerades NAT real servers."
    if any(real.active for each in translated for real in each.real_servers):
        why = "NAT real servers reach the outside by masquerade."
        needs |= dict.fromkeys(("nf_conntrack", "nf_nat", "nft_chain_nat", "nft_masq"), (Level.ERROR, why))
    for each in translated:
        if needs_ftp_helper(each, Forwarding.NAT):
            why = f"It leads the data connections of FTP to {each.name}'s NAT real servers; pulse loads it."
            needs.setdefault(HELPER, (Level.WARNING, why))
    return needs


def _two_ways_of_ftp(seen: Seen, config: LvsConfig) -> Iterator[Remark]:
    """The helper for FTP beside a firewall mark for it: each wants another address of the FTP server."""
    if HELPER not in seen.modules.present and HELPER not in needed(config):
        return
    for each in config.virtual_servers:
        is_nat = config.forwarding_of(each) is Forwarding.NAT
        if each.active and each.fwmark and is_nat and serves_ftp(each):
            yield Remark(
                Level.WARNING,
                About.MODULES,
                f"The module {HELPER} looks into {each.name}'s FTP as well, which has a firewall mark.",
                "It takes the address that an FTP server names for passive mode (pasv_address) for the "
                "server's own. Where that is the virtual address, the data connection ends at this router, "
                "and clients wait in vain.",
                "Take pasv_address out of the FTP servers' configuration: the module puts the virtual "
                f"address in. Or have no module: boot without a line {HELPER} in /etc/modules-load.d, and "
                "give every virtual server with NAT and FTP a firewall mark.",
                "/proc/modules" if HELPER in seen.modules.present else "another virtual server needs it",
            )


def _missing(seen: Seen, name: str) -> tuple[str, str]:
    """The remedy and the evidence for a module that is not to be had."""
    found = seen.modules
    if name in found.forbidden:
        place = found.forbidden[name]
        return f"Take that line out, and run modprobe {name}.", f"{place} forbids to load it"
    if name in found.loadable:
        return (
            f"Load it at boot, before the kernel is closed: put {name} into a file of /etc/modules-load.d, "
            "and boot.",
            "/proc/sys/kernel/modules_disabled is 1",
        )
    return (
        f"Boot a kernel that has it (CONFIG_{name.upper()}; Debian: linux-image-amd64), or install the "
        "package with the rest of this kernel's modules.",
        f"not in /proc/modules, nor in modules.builtin or modules.dep of /lib/modules/{found.release}",
    )


def parameters(seen: Seen, config: LvsConfig) -> Iterator[Remark]:
    """Kernel parameters that do not stay, or are in the way."""
    for row in seen.parameters:
        if row.is_undone and row.persisted:
            yield Remark(
                Level.WARNING,
                About.PARAMETERS,
                f"{row.persisted.place} sets {row.path} to {row.persisted.value}; pulse sets it to "
                f"{row.wanted}.",
                f"It is {row.persisted.value} at boot until pulse is there, and again for some seconds "
                f"whenever sysctl --system runs; but {row.why}.",
                f"Take the line out, or make it {row.wanted}.",
                row.persisted.place,
            )
        if row.differs and row.path.endswith(("/ip_forward", "/conf/all/forwarding")):
            yield Remark(
                Level.NOTE,
                About.PARAMETERS,
                f"Packet forwarding is off; pulse will switch it on ({row.path} = 1).",
                f"It is needed, since {row.why}. This machine then forwards for others as well.",
                "Where it should not, say in its firewall for whom it forwards.",
                f"/proc/sys/{row.path} is {row.found or 'not there'}",
            )
    yield from _in_the_way(seen, config)


def _in_the_way(seen: Seen, config: LvsConfig) -> Iterator[Remark]:
    found = {row.path: row.found for row in seen.parameters}
    active = [each for each in config.virtual_servers if each.active]
    has_nat = any(each.address.version == 4 for each in gateways(config, active))
    for each in interfaces(config):
        path = f"net/ipv4/conf/{each}/forwarding"
        # Where ip_forward is 0, pulse's change of it switches all interfaces on (devinet_sysctl_forward).
        if has_nat and found.get("net/ipv4/ip_forward") == "1" and found.get(path) == "0":
            yield _set(
                Level.ERROR, path, "0", "1", f"NAT real servers' answers that arrive at {each} are dropped."
            )
        paths = f"net/ipv4/conf/{each}/arp_ignore", "net/ipv4/conf/all/arp_ignore"
        silent = next((path for path in paths if found.get(path) == "8"), None)
        if silent:
            why = (
                f"No machine learns where the floating addresses on {each} are: nothing answers ARP for them."
            )
            yield _set(Level.ERROR, silent, "8", "0", why)
    if active and found.get("net/ipv4/vs/conn_reuse_mode") == "0":
        why = "Clients that use a port again are sent to the real server of before, even when it is gone."
        yield _set(Level.WARNING, "net/ipv4/vs/conn_reuse_mode", "0", "1", why)
    for floating in (each.address for each in active):
        if floating and floating.address.version == 6:
            path = f"net/ipv6/conf/{floating.interface}/disable_ipv6"
            if found.get(path) == "1":
                yield _set(Level.ERROR, path, "1", "0", f"{floating.address} cannot be raised there.")


def _set(level: Level, path: str, found: str, wanted: str, why: str) -> Remark:
    dotted = path.replace(".", "\0").replace("/", ".").replace("\0", "/")
    return Remark(
        level,
        About.PARAMETERS,
        f"{path} is {found}.",
        why,
        f"Run sysctl -w {dotted}={wanted}, and write that into a file of /etc/sysctl.d.",
        f"/proc/sys/{path}",
    )


def limits(seen: Seen, config: LvsConfig) -> Iterator[Remark]:
    """What there is too little of."""
    active = [each for each in config.virtual_servers if each.active]
    checks = sum(real.active for each in active for real in each.real_servers)
    room = seen.limits.checks
    if room is not None and room < min(checks, ENOUGH_PORTS):
        yield Remark(
            Level.WARNING,
            About.LIMITS,
            f"pulse may have {room} checks under way at once, for {checks} real servers.",
            "Checks that wait for others to end are late, and so is what they find.",
            f"Give pulse more file descriptors: LimitNOFILE={2 * ENOUGH_PORTS} in its unit "
            "(systemctl edit pulse), then restart it.",
            "the limit of open files of pulse's process",
        )
    yield from _tracking(seen, bool(list(gateways(config, active))))
    yield from _ports(seen, config)


def _tracking(seen: Seen, has_nat: bool) -> Iterator[Remark]:
    most = _number(seen.value("net/netfilter/nf_conntrack_max"))
    if not most:
        return
    tracked = seen.limits.tracked or 0
    if tracked < FULL * most and not (has_nat and most < ENOUGH_TRACKED):
        return
    is_full = tracked >= FULL * most
    yield Remark(
        Level.WARNING if is_full else Level.NOTE,
        About.LIMITS,
        f"Connection tracking has room for {most} connections, and {tracked} are in it.",
        "When it is full, packets are dropped: those that open a connection through this router first. "
        "Masquerade for NAT real servers needs it, and so do rules with ct state.",
        f"Run sysctl -w net.netfilter.nf_conntrack_max={max(ENOUGH_TRACKED, 4 * most)}, and write that into "
        "a file of /etc/sysctl.d.",
        "/proc/sys/net/netfilter/nf_conntrack_max and nf_conntrack_count",
    )


def _ports(seen: Seen, config: LvsConfig) -> Iterator[Remark]:
    words = (seen.value("net/ipv4/ip_local_port_range") or "").split()
    if len(words) != 2 or not all(word.isdigit() for word in words):
        return
    first, last = map(int, words)
    evidence = f"/proc/sys/net/ipv4/ip_local_port_range is {first} {last}"
    port, redundancy = config.redundancy.heartbeat_port, config.redundancy
    reserved = seen.value("net/ipv4/ip_local_reserved_ports") or ""
    if redundancy.backup_active and first <= port <= last and not _is_reserved(port, reserved):
        yield Remark(
            Level.WARNING,
            About.LIMITS,
            f"The heartbeat's port {port} is one that the kernel gives to any program that asks for none.",
            "While another program has it, this router's heart cannot listen there.",
            f"Run sysctl -w net.ipv4.ip_local_reserved_ports={port}, and write that into a file of "
            "/etc/sysctl.d; or choose a heartbeat_port below 1024.",
            evidence,
        )
    if last - first < ENOUGH_PORTS:
        yield Remark(
            Level.WARNING,
            About.LIMITS,
            f"This machine's own connections have {last - first + 1} ports.",
            "Checks that follow each other fast run out of them where a real server has many virtual "
            "servers.",
            'Run sysctl -w net.ipv4.ip_local_port_range="32768 60999", and look in /etc/sysctl.d for what '
            "narrowed it.",
            evidence,
        )


def _is_reserved(port: int, reserved: str) -> bool:
    for words in reserved.split(","):
        first, _, last = words.partition("-")
        if first.isdigit() and int(first) <= port <= int(last or first):
            return True
    return False


def clock(seen: Seen, config: LvsConfig) -> Iterator[Remark]:
    """A clock that is wrong, or that nothing keeps right."""
    if seen.clock.now < EARLIEST:
        shown = datetime.fromtimestamp(seen.clock.now, UTC).date()
        yield Remark(
            Level.ERROR,
            About.CLOCK,
            f"This machine's clock is wrong: it says {shown}.",
            "Certificates count as not valid yet, and orders of the other router as made in the future.",
            "Set it, and have a time service (chrony, systemd-timesyncd) keep it right.",
            "the system clock",
        )
    elif seen.clock.disciplined is False:
        yield Remark(
            Level.WARNING if config.redundancy.backup_active else Level.NOTE,
            About.CLOCK,
            "Nothing keeps this machine's clock right.",
            "Of two orders about a real server the later one holds on both routers, so their clocks must "
            "agree; checks of certificates go by it as well.",
            "Start a time service: chrony or systemd-timesyncd (timedatectl set-ntp true).",
            "the kernel calls its clock unsynchronised (adjtimex)",
        )


def _number(text: str | None) -> int:
    return int(text) if text and text.isdigit() else 0
