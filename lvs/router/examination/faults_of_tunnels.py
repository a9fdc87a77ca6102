"""The faults of tunnels that an examination names. Pure.

Facts (Linux 6.1): without the module of a tunnel the kernel answers protocol unreachable
(net/ipv4/ip_input.c, net/ipv6/ip6_input.c); with the module, but no device that is up and takes this sender,
port unreachable (net/ipv4/tunnel4.c, net/ipv6/tunnel6.c). The reverse path filter judges what was unpacked by
the tunnel's device, from which no client is ever reached: strict, it drops all.
"""

from __future__ import annotations

from lvs.router.examination.faults import FILTER_COUNTER, remark
from lvs.router.examination.found import Found
from lvs.router.examination.packets import OUTER, Kind
from lvs.router.examination.subject import Heard
from lvs.router.examination.trials import Name, Trial
from lvs.router.seen import Level, Remark

WHY = "The router packs clients' packets into packets to the real server, which must unpack them."


def device(found: Found) -> str:
    """The device that unpacks (`lvs.realservers.tunnel`)."""
    if found.subject.address.version == 6:
        return "piranha-ip6"
    return "tunl0" if found.subject.virtual.version == 4 else "sit0"


def protocol(found: Found) -> int:
    """IANA's number of what is inside."""
    return 4 if found.subject.virtual.version == 4 else 41


def of_the_outer(found: Found, heard: Heard) -> Remark:
    """The outer packet itself was refused."""
    subject, name = found.subject, device(found)
    if heard.answer.kind is Kind.NO_PROTOCOL:
        what = (
            f"{subject.real_server} has no tunnel device: its kernel does not know IP protocol "
            f"{protocol(found)}."
        )
        remedy = f"Load the module and bring {name} up. {subject.remedy}"
    elif heard.answer.kind is Kind.NO_PORT:
        what = f"{subject.real_server} has no tunnel device that is up and takes packets from this router."
        remedy = f"Have the device {name}, and have it up (ip link show {name}). {subject.remedy}"
    else:
        what = f"A firewall refuses the tunnel to {subject.real_server} (IP protocol {protocol(found)})."
        remedy = (
            f"Let it take IP protocol {protocol(found)} from the routers; {heard.answer.source} answered."
        )
    return remark(Level.ERROR, what, WHY, remedy, str(heard))


def dropped_inside(found: Found) -> Remark:
    """The machine has the virtual address, but what comes out of the tunnel is dropped."""
    subject, name = found.subject, device(found)
    plain = f"without the tunnel: {found.at(Name.PLAIN) or found.at(Name.ECHO_VIRTUAL)}"
    firewall = f"a firewall drops IP protocol {protocol(found)} or what comes out of {name}"
    if subject.virtual.version == 4:
        return remark(
            Level.ERROR,
            f"{subject.real_server} drops what comes out of the tunnel: its reverse path filter (rp_filter) "
            "on "
            f"{name} is strict, or {firewall}.",
            "Clients are reached by another interface than the tunnel's, so the strict filter drops them "
            "all.",
            f"sysctl -w net.ipv4.conf.{name}.rp_filter=2 (loose). {subject.remedy} To tell the two apart: "
            f"`{FILTER_COUNTER}` on the real server grows with each Check when it is the filter.",
            f"in the tunnel: no answer; {plain}",
        )
    return remark(
        Level.ERROR,
        f"{subject.real_server} does not take what comes out of the tunnel: {firewall}, or {name} is not of "
        "the "
        "right mode.",
        f"{WHY} (ip6tnl0, for one, unpacks IPv6 from IPv6 only.)",
        f"Look at its firewall (nft list ruleset). {subject.remedy}",
        f"in the tunnel: no answer; {plain}",
    )


def dropped_somewhere(found: Found) -> Remark:
    """It cannot be tried without the tunnel, being on another link."""
    subject, name = found.subject, device(found)
    reverse = (
        f"that its reverse path filter on {name} is loose (sysctl -w net.ipv4.conf.{name}.rp_filter=2), "
        if subject.virtual.version == 4
        else ""
    )
    return remark(
        Level.ERROR,
        f"{subject.real_server} does not answer to what is sent through the tunnel.",
        f"{WHY} Then it must have the virtual address, and its network must let out what comes from it.",
        f"Look, in this order: that {name} is up and has {subject.virtual} (ip address show dev {name}), "
        f"{reverse}that no firewall drops IP protocol {protocol(found)}, and that its network lets packets "
        "from "
        f"{subject.virtual} out. {subject.remedy}",
        f"{subject.port} at {subject.virtual} in the tunnel: no answer; ping of {subject.address}: "
        f"{found.at(Name.ECHO) or 'no answer'}",
    )


def too_big_for_the_link(found: Found, size: int) -> Remark:
    subject, place = found.subject, found.place
    return remark(
        Level.WARNING,
        f"Clients' biggest packets do not fit the tunnel: they are {size} bytes with its header, and "
        f"{place.interface} takes {place.mtu}.",
        "The router asks clients by ICMP for smaller ones. Where that is filtered on the way, uploads hang.",
        f"Have {subject.real_server} limit the segments (MSS {_segment(found, place.mtu)}), which the script "
        "of its "
        f"set-up does with nftables; or raise the MTU between router and real server by {subject.outer}. "
        f"{subject.remedy}",
        f"MSS {_said(found)} in the SYN-ACK; ip link show {place.interface}",
    )


def too_big_on_the_way(found: Found, trial: Trial, heard: Heard) -> Remark:
    subject = found.subject
    return remark(
        Level.WARNING,
        f"Clients' biggest packets do not fit the way of the tunnel: {trial.size} bytes are too many for "
        f"{heard.answer.source}.",
        "The router asks clients by ICMP for smaller ones. Where that is filtered on the way, uploads hang.",
        f"Have {subject.real_server} limit the segments that clients send (MSS), or raise the MTU on the way "
        "by "
        f"{subject.outer}. {subject.remedy}",
        str(heard),
    )


def swallowed(found: Found, trial: Trial) -> Remark:
    subject = found.subject
    return remark(
        Level.ERROR,
        f"The MTU on the way of the tunnel is too small: packets of {trial.size} bytes vanish between this "
        "router "
        f"and {subject.real_server}, and nobody says so.",
        f"Connections begin and then hang: clients' full packets and the {subject.outer} bytes of the tunnel "
        "are "
        "that big.",
        f"Find where the MTU is smaller than {trial.size} (ip link on both, and the switches between them) "
        "and "
        f"raise it; or have {subject.real_server} limit the segments that clients send to what gets through. "
        f"{subject.remedy}",
        f"ping with {trial.size} bytes: no answer; a small one: {found.at(Name.ECHO)}; MSS {_said(found)} in "
        "the "
        "SYN-ACK",
    )


def _said(found: Found) -> int | None:
    heard = found.at(Name.SERVICE)
    return heard.answer.segment if heard else None


def _segment(found: Found, mtu: int) -> int:
    """The MSS that fits the tunnel."""
    return mtu - found.subject.outer - OUTER[found.subject.virtual.version] - 20
