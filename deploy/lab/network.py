"""The lab's network as plain values: who is wired where, and every address. Nothing here touches a kernel.

    client ──┬── public 192.168.26.0/24, fd00:26::/64 ──┬──────────────┐
             │                                          │ eth0         │ eth1
             │                                        r1, r2       s1, s2, s3
             │                                          │ eth1         │ eth0
             │                                          └── private 10.11.12.0/24, fd00:11:12::/64
    root ────┴── management 192.168.127.0/24 (r1, r2)

The addresses are those of Piranha's guide (chapter 3); the bridges are in a namespace of their own, `switch`,
so that no firewall of the machine sees the frames.
"""

from __future__ import annotations

from dataclasses import dataclass

ROUTERS = ("r1", "r2")
REAL_SERVERS = ("s1", "s2", "s3")
CLIENT = "client"
SWITCH = "switch"
NAMESPACES = (SWITCH, CLIENT, *ROUTERS, *REAL_SERVERS)

NAT_VIP, NAT_VIP6 = "192.168.26.10", "fd00:26::10"
DIRECT_VIP, DIRECT_VIP6 = "192.168.26.20", "fd00:26::20"
TUNNEL_VIP, TUNNEL_VIP6 = "192.168.26.30", "fd00:26::30"
NAT_GATEWAY, NAT_GATEWAY6 = "10.11.12.10", "fd00:11:12::10"
INTERNET, INTERNET6 = "192.168.26.254", "fd00:26::fe"  # the client, as the way to the clients elsewhere
ELSEWHERE = ("203.0.113.1", "203.0.113.2", "198.51.100.1", "fd00:c::1", "fd00:d::1")
MANAGEMENT_HOST = "192.168.127.1"
REDIS_PORT = 6379  # of MANAGEMENT_HOST, for the routers' workers
ROOT_LINK = "piranha-lab"  # the one interface that the lab adds outside its namespaces

# The real servers' routing tables: number, interface, and for each source network the way back.
RETURN_ROUTES = (
    (100, "eth0", (("10.11.12.0/24", NAT_GATEWAY), ("fd00:11:12::/64", NAT_GATEWAY6))),
    (200, "eth1", (("192.168.26.0/24", INTERNET), ("fd00:26::/64", INTERNET6))),
)

PUBLIC, PRIVATE, MANAGEMENT = "public", "private", "management"


@dataclass(frozen=True, slots=True)
class Link:
    """An interface of a namespace, plugged into a bridge of the switch. addresses: with prefix length."""

    namespace: str
    interface: str
    bridge: str
    addresses: tuple[str, ...]


def links() -> tuple[Link, ...]:
    """Every cable of the lab."""
    found = [
        Link(
            CLIENT,
            "eth0",
            PUBLIC,
            ("192.168.26.100/24", f"{INTERNET}/24", "fd00:26::100/64", f"{INTERNET6}/64"),
        )
    ]
    for name, last in (("r1", 9), ("r2", 8)):
        found += [
            Link(name, "eth0", PUBLIC, (f"192.168.26.{last}/24", f"fd00:26::{last}/64")),
            Link(name, "eth1", PRIVATE, (f"10.11.12.{last}/24", f"fd00:11:12::{last}/64")),
            Link(name, "mgmt", MANAGEMENT, (f"192.168.127.{last}/24",)),
        ]
    for number, name in enumerate(REAL_SERVERS, 1):
        found += [
            Link(name, "eth0", PRIVATE, (f"10.11.12.{number}/24", f"fd00:11:12::{number}/64")),
            Link(name, "eth1", PUBLIC, (f"192.168.26.{10 + number}/24", f"fd00:26::{10 + number}/64")),
        ]
    return tuple(found)


def creation() -> list[str]:
    """Lines for ip(8) in the root namespace: the cables, still unplugged at the switch."""
    lines = []
    for link in links():
        port = f"{link.namespace}-{link.interface}"
        lines.append(
            f"link add {port} netns {SWITCH} type veth peer name {link.interface} netns {link.namespace}"
        )
    lines += [
        f"link add root netns {SWITCH} type veth peer name {ROOT_LINK}",
        f"address add {MANAGEMENT_HOST}/24 dev {ROOT_LINK}",
        f"link set {ROOT_LINK} up",
    ]
    return lines


def switch() -> list[str]:
    """Lines for ip(8) in the switch's namespace: the bridges, and every cable plugged in."""
    lines = []
    for bridge in (PUBLIC, PRIVATE, MANAGEMENT):
        lines += [f"link add {bridge} type bridge stp_state 0 forward_delay 0 mcast_snooping 0"]
    for link in links():
        lines.append(f"link set {link.namespace}-{link.interface} master {link.bridge} up")
    lines.append(f"link set root master {MANAGEMENT} up")
    return [*lines, *(f"link set {bridge} up" for bridge in (PUBLIC, PRIVATE, MANAGEMENT))]


def machine(name: str) -> list[str]:
    """Lines for ip(8) in the namespace of a machine: its interfaces, addresses and routes."""
    lines = ["link set lo up"]
    for link in links():
        if link.namespace != name:
            continue
        lines += [f"address add {address} dev {link.interface}{quiet(address)}" for address in link.addresses]
        lines.append(f"link set {link.interface} up")
    if name == CLIENT:
        lines += [f"address add {address} dev lo{quiet(address)}" for address in ELSEWHERE]
    elif name in ROUTERS:
        lines += [f"route add default via {INTERNET}", f"route add default via {INTERNET6}"]
    elif name in REAL_SERVERS:
        lines += real_server()
    return lines


def quiet(address: str) -> str:
    """An IPv6 address is of use at once, without asking the others whether they have it."""
    return " nodad" if ":" in address else ""


def real_server() -> list[str]:
    """What a real server needs for the three forwarding methods at once.

    Packets from its private address go back through the router that translated them, though the client's
    network is also at hand (NAT); those from a virtual address go to the client by themselves.
    """
    lines = [
        f"route add default via {NAT_GATEWAY}",
        f"route add default via {NAT_GATEWAY6}",
        "link set tunl0 up",
        "link set ip6tnl0 up",
        f"address add {DIRECT_VIP}/32 dev lo",
        f"address add {DIRECT_VIP6}/128 dev lo nodad",
        f"address add {TUNNEL_VIP}/32 dev tunl0",
        f"address add {TUNNEL_VIP6}/128 dev ip6tnl0 nodad",
    ]
    for table, interface, nets in RETURN_ROUTES:
        for net, via in nets:
            lines += [
                f"route add {net} dev {interface} table {table}",
                f"route add default via {via} table {table}",
            ]
    return lines


def rules(name: str, version: int) -> list[str]:
    """Lines for `ip -4` or `ip -6` in the namespace of a machine: which source takes which way back."""
    if name not in REAL_SERVERS:
        return []
    return [
        f"rule add from {net} lookup {table} priority {table}"
        for table, _, nets in RETURN_ROUTES
        for net, _ in nets
        if (":" in net) == (version == 6)
    ]


def sysctls_before(name: str) -> dict[str, str]:
    """Parameters that must stand before the interfaces come up; forwarding is pulse's business."""
    values = {
        "net/ipv6/conf/all/disable_ipv6": "0",
        "net/ipv6/conf/default/disable_ipv6": "0",
        "net/ipv6/conf/default/accept_dad": "0",
        "net/ipv6/conf/default/accept_ra": "0",
        "net/ipv4/conf/all/rp_filter": "0",
        "net/ipv4/conf/default/rp_filter": "0",
    }
    if name in ROUTERS:
        values["net/ipv4/conf/all/send_redirects"] = "0"
        values["net/ipv4/conf/default/send_redirects"] = "0"
    if name in REAL_SERVERS:
        # Only the router may answer ARP for the virtual address (ip-sysctl: arp_ignore, arp_announce).
        values["net/ipv4/conf/all/arp_ignore"] = "1"
        values["net/ipv4/conf/all/arp_announce"] = "2"
    return values


def sysctls_after(name: str) -> dict[str, str]:
    """Parameters of interfaces that were there before the defaults were written."""
    if name not in REAL_SERVERS:
        return {}
    return {"net/ipv4/conf/tunl0/rp_filter": "0"}
