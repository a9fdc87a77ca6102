"""The faults that an examination names: what is the matter, why, what to do, how it showed. Pure."""

from __future__ import annotations

from lvs.config.model import Forwarding
from lvs.router.examination.found import TAKEN, Found
from lvs.router.examination.packets import Kind
from lvs.router.examination.subject import SYSTEM, Heard, Subject, host
from lvs.router.examination.trials import Name, Trial
from lvs.router.seen import About, Level, Remark

FILTER_COUNTER = "nstat -az TcpExtIPReversePathFilter"


def remark(level: Level, what: str, why: str, remedy: str, evidence: str) -> Remark:
    return Remark(level, About.REAL_SERVER, what, why, remedy, evidence)


# ---- where it is


def no_way(subject: Subject) -> Remark:
    return remark(
        Level.ERROR,
        f"This router has no route to {subject.address}.",
        f"Nothing that clients send gets to {subject.real_server}.",
        "Give this router an address in the real server's network, or a route to it.",
        f"{SYSTEM[subject.address.version]} route get {subject.address}",
    )


def is_this_router(subject: Subject) -> Remark:
    return remark(
        Level.NOTE,
        f"{subject.address} is this router itself.",
        "The kernel hands such packets to the machine's own programs: there is no way to try out.",
        "Look at its check (piranha server test).",
        f"{SYSTEM[subject.address.version]} route get {subject.address}",
    )


def another_segment(subject: Subject, gateway: object, interface: str) -> Remark:
    return remark(
        Level.ERROR,
        f"{subject.real_server} is not on the same network segment: {subject.address} is reached through "
        f"{gateway} on {interface}.",
        "With direct routing the router puts clients' packets into Ethernet frames to the real server "
        "itself; "
        "a gateway between the two would get packets for the virtual address, and send them back.",
        "Give the real server and this router addresses in one network (the same VLAN), or use tunnelling.",
        f"{SYSTEM[subject.address.version]} route get {subject.address}",
    )


def not_ethernet(subject: Subject, reason: str) -> Remark:
    return remark(
        Level.NOTE,
        f"{subject.real_server} cannot be examined from here: {reason}.",
        "The trials are Ethernet frames.",
        "Look at its check (piranha server test), and try a client.",
        "",
    )


def nobody_there(found: Found) -> Remark:
    subject, place = found.subject, found.place
    if place.gateway is not None:
        what = f"The gateway {place.gateway} on the way to {subject.real_server} does not answer."
        remedy = (
            f"Look at that machine, its cable and its address; or correct the route to {subject.address}."
        )
    else:
        what = (
            f"{subject.real_server} does not answer at all: nobody on {place.interface} has "
            f"{subject.address}."
        )
        remedy = (
            f"Look whether the machine runs, is plugged into the network of {place.interface} (VLAN), and "
            "has "
            f"{subject.address}; and whether lvs.cf has its right address."
        )
    return remark(
        Level.ERROR,
        what,
        "Nothing that clients send gets to it. Nothing else was looked at.",
        remedy,
        f"asked several times who has {found.neighbours.asked} on {place.interface}",
    )


def nothing_comes(found: Found) -> Remark:
    subject, gateway = found.subject, found.place.gateway
    return remark(
        Level.ERROR,
        f"{subject.real_server} does not answer at all, neither to a ping nor at {subject.port}.",
        "Nothing that clients send gets to it, or nothing comes back.",
        f"Look whether the machine runs and has {subject.address}, whether {gateway} and the routers behind "
        "it "
        "know the ways to it and back, and for a firewall in between.",
        f"sent through {gateway} on {found.place.interface}",
    )


def two_machines(found: Found) -> Remark:
    macs = " and ".join(host(mac) for mac in found.neighbours.hop)
    return remark(
        Level.WARNING,
        f"Two machines say that {found.subject.address} is theirs.",
        "Clients get to the one or the other, as the router heard them last.",
        "Take the address off one of them. (One machine with two interfaces in the same network: set "
        "net.ipv4.conf.all.arp_ignore to 1.)",
        f"answers from {macs} on {found.place.interface}",
    )


# ---- ARP


def answers_for_virtual(found: Found) -> Remark:
    subject = found.subject
    six = subject.virtual.version == 6
    asked = "neighbour discovery" if six else "ARP"
    if six:
        remedy = (
            f"Put {subject.virtual}/128 on lo instead of a network interface. {subject.remedy}"
            if subject.forwarding is not Forwarding.NAT
            else f"Take {subject.virtual} off it: with NAT only the router has it."
        )
    elif subject.forwarding is Forwarding.NAT:
        remedy = f"Take {subject.virtual} off it: with NAT only the router has it."
    else:
        remedy = (
            f"Have {subject.virtual}/32 on lo, net.ipv4.conf.all.arp_ignore = 1 (its answers) and "
            f"net.ipv4.conf.all.arp_announce = 2 (its questions). {subject.remedy}"
        )
    return remark(
        Level.ERROR,
        f"{subject.real_server} says in {asked} that the virtual address {subject.virtual} is its own.",
        "Clients and gateways then send everything to this machine, past the router: no balancing, no "
        "failover.",
        remedy,
        f"{host(found.neighbours.hop[0])} on {found.place.interface} claims {subject.virtual}",
    )


def stranger(found: Found, mac: bytes) -> Remark:
    subject = found.subject
    name = found.neighbours.names.get(mac)
    who = f"The real server {name}" if name else "A machine that is neither of the routers"
    remedy = f"Set {name} up as its own page says." if name else "Find it by its MAC address in the switch."
    return remark(
        Level.WARNING,
        f"{who} says that the virtual address {subject.virtual} is its own.",
        "Clients may find it instead of the router. This is not the fault of the real server that was "
        "examined.",
        remedy,
        f"{host(mac)} on {found.place.interface} claims {subject.virtual}",
    )


# ---- the port


def nothing_listens(found: Found, trial: Trial, heard: Heard) -> Remark:
    subject, port = found.subject, trial.port
    where = subject.target
    elsewhere = ""
    is_own = subject.forwarding is Forwarding.NAT
    if not is_own and trial.name is Name.SERVICE and found.kind(Name.OWN) is Kind.SYN_ACK:
        elsewhere = f" At its own address {subject.address} something does listen."
    return remark(
        Level.ERROR,
        f"Nothing listens on {port} at {where} of {subject.real_server}.{elsewhere}",
        "Clients' connections are refused."
        + ("" if is_own else " What comes to the real server still has the virtual address and its port."),
        f"Start the service, and have it listen on {where} or on all addresses, not on others only "
        f"({'ss -ltnp' if heard.answer.kind is Kind.RESET else 'ss -lunp'}, on the real server).",
        str(heard),
    )


def refused(found: Found, trial: Trial, heard: Heard) -> Remark:
    subject = found.subject
    return remark(
        Level.ERROR,
        f"A firewall refuses {trial.port} at {subject.target} of {subject.real_server}.",
        "Clients' connections do not come about.",
        f"Let its firewall (nft list ruleset, iptables-save) take {trial.port} for {subject.target} from "
        f"everywhere. The one that answered is {heard.answer.source}.",
        str(heard),
    )


def dropped(found: Found, trial: Trial) -> Remark:
    """The machine is there and has the address, but what is for the port vanishes."""
    subject = found.subject
    return remark(
        Level.ERROR,
        f"{subject.real_server} does not answer at {trial.port} of {subject.target}: something drops what is "
        "sent there.",
        "Clients wait in vain.",
        f"Look at its firewall (nft list ruleset, iptables-save): it must take {trial.port} for "
        f"{subject.target} from everywhere.",
        f"{trial.what}: no answer, though the machine is there",
    )


def answers_from_its_own(found: Found, heard: Heard) -> Remark:
    subject, own = found.subject, found.subject.address
    other = "the way direct-redirect, or NAT" if subject.forwarding is Forwarding.DIRECT else "NAT"
    return remark(
        Level.ERROR,
        f"{subject.real_server} answers {subject.port} from {own} instead of {subject.virtual}.",
        "Clients drop datagrams that come from an address that they did not ask.",
        f"Have the program listen on {subject.virtual} by name: one that listens on all answers from "
        f"the one that the kernel prefers. Where it cannot, take {other}.",
        str(heard),
    )


def untold_udp(found: Found) -> Remark:
    subject = found.subject
    return remark(
        Level.NOTE,
        f"Whether {subject.port} serves cannot be told: no answer to "
        f"{'what the check sends' if subject.payload else 'an empty datagram'}, and no refusal.",
        "Many UDP services answer only to what they understand; so the way back cannot be told either.",
        "Give the virtual server a check with something to send, and try a client.",
        "",
    )


def not_tried(found: Found) -> Remark:
    subject = found.subject
    if found.place.source is None:
        return remark(
            Level.NOTE,
            f"{subject.real_server} was not tried: this router has no IPv{subject.target.version} address of "
            f"its own on {found.place.interface}.",
            "The trials need an address to which the real server can answer; floating ones belong to the "
            "active router.",
            f"Give {found.place.interface} an address in the real server's network.",
            f"ip address show dev {found.place.interface}",
        )
    return remark(
        Level.NOTE,
        f"{subject.port} was not tried: only TCP and UDP are.",
        "So nothing is said of the service and the ways to it.",
        "Try a client.",
        "",
    )


# ---- NAT: the way back


def wrong_gateway(found: Found, trial: Trial) -> Remark:
    subject, heard = found.subject, found.heard.get(trial)
    gateway = subject.gateway
    directive = "nat_router" if subject.address.version == 4 else "nat_router6"
    system = SYSTEM[subject.address.version]
    if gateway is None:
        remedy = (
            f"Choose the real servers' gateway in lvs.cf ({directive}), and make it their default gateway."
        )
    else:
        remedy = f"Make {gateway} its default gateway: {system} route replace default via {gateway}."
    elsewhere = trial.name is Name.OUTSIDE
    who = "clients elsewhere" if elsewhere else "clients in other networks"
    how = (
        f"comes on {heard.interface} from {found.whose(heard.mac)}, not through {gateway or directive}"
        if heard
        else "does not come to this router"
    )
    return remark(
        Level.ERROR,
        f"{subject.real_server} has the wrong gateway: what it answers to {who} {how}.",
        "With NAT the answers must go back through the router, which writes the virtual address into them; "
        "clients drop what comes from another.",
        f"{remedy} {subject.remedy} Where the gateway is right, look at rp_filter there ({FILTER_COUNTER}) "
        "and "
        f"at its rules ({system} rule).",
        f"{trial.what}: {heard or 'no answer'}; on the link it answers",
    )


def past_the_router_nearby(found: Found, trial: Trial) -> Remark:
    """The default route is right, but a network that has clients too is reached without it."""
    subject, heard = found.subject, found.heard.get(trial)
    six = "6" if subject.address.version == 6 else ""
    return remark(
        Level.WARNING,
        f"{subject.real_server} does not answer through the router to clients in the network of "
        f"{found.place.foreign}; to clients elsewhere it does.",
        "With NAT the answers must go back through the router. It has an address or a route of its own.",
        f"Where clients are in that network: take its interface there down, or the way nat-answers{six}, "
        "which leads what the service answers through the router, wherever it goes.",
        f"{trial.what}: {_came_in(found, heard) if heard else 'no answer'}",
    )


def _came_in(found: Found, heard: Heard) -> str:
    return f"{heard}, on {heard.interface} from {found.whose(heard.mac)}"


def only_on_the_active(found: Found) -> Remark:
    subject = found.subject
    return remark(
        Level.NOTE,
        f"Whether answers of {subject.real_server} come back through the active router cannot be told from "
        "this one.",
        "With NAT they go to the router that has the gateway's address.",
        "Check this real server on the active router.",
        "",
    )


# ---- direct routing, and tunnelling alike


def without_virtual(found: Found) -> Remark:
    subject, own = found.subject, found.at(Name.OWN)
    six = subject.virtual.version == 6
    lo = "lo" if subject.forwarding is Forwarding.DIRECT else "the tunnel's device"
    redirect = " (or REDIRECT it)" if subject.forwarding is Forwarding.DIRECT else ""
    if own is not None and own.answer.kind in TAKEN:
        doubt = ""
    else:
        doubt = f" If it has the address, look at its firewall: it must take {subject.port} for it."
    evidence = [f"{subject.port} at {subject.virtual}: {found.at(Name.SERVICE) or 'no answer'}"]
    if own is not None:
        evidence.append(f"at its own address: {own}")
    return remark(
        Level.ERROR,
        f"{subject.real_server} does not take packets for the virtual address {subject.virtual}.",
        "The router sends clients' packets on as they are, so the machine must have the virtual address.",
        f"Put {subject.virtual}/{128 if six else 32} on {lo}{redirect}. {subject.remedy}{doubt}",
        "; ".join(evidence),
    )


def perhaps_without_virtual(found: Found) -> Remark:
    subject = found.subject
    return remark(
        Level.WARNING,
        f"{subject.real_server} perhaps does not take packets for the virtual address {subject.virtual}: "
        "neither the service nor a ping is answered there.",
        "The router sends clients' packets on as they are, so the machine must have the virtual address.",
        f"Look for {subject.virtual} on lo (ip address show dev lo); with REDIRECT a ping is not answered "
        f"either, and all may be well. {subject.remedy}",
        f"ping of {subject.virtual} in a frame to it: no answer",
    )


def foreign_unanswered(found: Found) -> Remark:
    """The reverse path filter, or the way back: from here they look alike."""
    subject, source = found.subject, found.place.foreign
    return remark(
        Level.NOTE,
        f"{subject.real_server} answers on its own network; no answer came to {source}, in another network.",
        f"Either its way back does not lead to {source}, which does no harm where clients are elsewhere; or "
        "its "
        "reverse path filter (rp_filter 1) drops what comes by another interface than the way back: then "
        "clients of other networks wait in vain.",
        f"On the real server, `ip route get {source} from {subject.virtual}` shows the way back, and the "
        "number "
        f"of `{FILTER_COUNTER}` grows with each Check when the filter drops. Then: sysctl -w "
        "net.ipv4.conf.all.rp_filter=2 (loose; the higher value of `all` and the interface counts), or the "
        "right default gateway.",
        f"SYN from {source}: no answer; from {found.place.source}: {found.at(Name.SERVICE)}",
    )


def through_the_router(found: Found) -> Remark:
    subject, heard = found.subject, found.at(Name.OUTSIDE)
    return remark(
        Level.ERROR,
        f"{subject.real_server} answers clients elsewhere through this router, which drops that.",
        f"Packets from {subject.virtual} are from an address that the router has itself: the kernel takes "
        "them "
        "for forged (net/ipv4/fib_frontend.c, fib_validate_source).",
        "Give the real server a default gateway that is not one of the routers, at least for what comes from "
        f"{subject.virtual}: ip rule add from {subject.virtual} lookup 100, and that gateway in table 100. "
        "A machine that serves by NAT as well takes the way nat-answers for that.",
        f"answer to {found.place.outside}: {_came_in(found, heard) if heard else ''}",
    )
