"""Tunnelling: the machine unpacks what the router packed into IP; that device has the virtual addresses.

Facts, from Linux 6.1 and tried in the lab: tunl0 (ipip) takes IPv4 in IPv4 and sit0 IPv6 in IPv4 from any
sender; ip6tnl0 takes only IPv6 in IPv6 (net/ipv6/ip6_tunnel.c, ip6_fb_tnl_dev_init), so over IPv6 a device of
its own in mode any serves both. The effective rp_filter is the higher one of `all` and the device's, so 2
(loose) on the device is enough, whatever `all` says.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lvs.realservers.needs import Need
from lvs.realservers.setup import Setup, commands
from lvs.realservers.shell import ADDRESSES, BOOT, FILES, NFTABLES, PARAMETERS, Recipe, setup

OWN_DEVICE = "piranha-ip6"
MODULES = {"tunl0": "ipip", "sit0": "sit", OWN_DEVICE: "ip6_tunnel"}
OUTER = {4: 20, 6: 40}  # bytes that the router puts before a packet (ip_vs_tunnel_xmit, ip_vs_tunnel_xmit_v6)
INNER = {4: 40, 6: 60}  # IP and TCP headers without options, which the MSS does not count

_WHY = (
    "The router packs clients' packets into packets to the real server's own address, over any number of "
    "networks. The machine unpacks them, must have the virtual address to take what comes out, and answers "
    "the client by itself, so its network must let packets out that come from the virtual address."
)
_BODY = """
look() {
    for address in $ADDRESSES; do not_its_own "$address"; done
}
apply() {
    for address in $ADDRESSES; do
        case $address in
        *:*) ;;
        *)
            hold net/ipv4/conf/all/arp_ignore 1
            hold net/ipv4/conf/all/arp_announce 2
            break
            ;;
        esac
    done
    for address in $ADDRESSES; do on_device "$address"; done
    mtu=$(ip link show dev "$INTERFACE" | sed -n '1s/.* mtu \\([0-9]*\\).*/\\1/p')
    segments_fit ip "$ADDRESSES4" $((mtu - OUTER - 40))
    segments_fit ip6 "$ADDRESSES6" $((mtu - OUTER - 60))
}
on_device() { # ADDRESS
    case $1 in
    *:*) device=$DEVICE6 ;;
    *) device=$DEVICE4 ;;
    esac
    there "$device"
    case $1 in
    *:*) add_address "$device" "$1/128" ;;
    *)
        # What comes out of the tunnel is from clients, who are reached by another interface.
        hold "net/ipv4/conf/$device/rp_filter" 2
        add_address "$device" "$1/32"
        ;;
    esac
}
there() { # DEVICE
    case $1 in
    tunl0) module=ipip ;;
    sit0) module=sit ;;
    *) module=ip6_tunnel ;;
    esac
    if ! ip link show dev "$1" >/dev/null 2>&1; then
        modprobe "$module" 2>/dev/null || :
        if [ "$module" = ip6_tunnel ]; then
            note "device $1"
            ip link add "$1" type ip6tnl mode any local "$OWN" ||
                fail "The kernel makes no IPv6 tunnel: it needs the module ip6_tunnel."
            say "Made $1."
        fi
    fi
    keep "device $1"
    keep "up $1"
    case $(ip link show dev "$1" 2>/dev/null || :) in
    '') fail "The kernel has no $1: it needs the module $module." ;;
    *[\\<,]UP[,\\>]*) ;;
    *)
        note "up $1"
        ip link set dev "$1" up
        say "$1 is up."
        ;;
    esac
}
out_device() {
    if ip link del "$1" 2>/dev/null; then say "Removed $1."; fi
}
out_up() {
    if ip link set dev "$1" down 2>/dev/null; then say "$1 is down."; fi
}
# Clients send segments as big as the machine says: with the outer header they must fit.
segments_fit() { # FAMILY ADDRESSES BYTES
    [ -n "$2" ] || return 0
    list=$(printf '%s' "$2" | sed 's/ /, /g')
    if nft -f - 2>/dev/null <<END
table $1 $TABLE
delete table $1 $TABLE
table $1 $TABLE {
    chain output {
        type filter hook output priority -150; policy accept;
        $1 saddr { $list } tcp flags & (syn | rst) == syn tcp option maxseg size set $3
    }
}
END
    then
        note "nft $1 $TABLE"
        say "Clients are told of segments of at most $3 bytes."
    else
        say "nft cannot limit the size of segments here. Where ICMP is filtered, set advmss $3 on the \\
routes to the clients, or raise the MTU on the way from the router by $OUTER."
    fi
}
"""


def ways(need: Need) -> Iterator[Setup]:
    """The one way to unpack; none while there are no virtual addresses."""
    if not need.virtual_addresses:
        return
    recipe = Recipe(
        way=need.way("tunnel"),
        title="Virtual addresses on the tunnel's device",
        when="On any Linux. Gone at the next start, unless run with --at-boot (systemd).",
        by_hand=tuple(_by_hand(need)),
        body=_BODY,
        pieces=(ADDRESSES, PARAMETERS, FILES, NFTABLES, BOOT),
    )
    yield setup(need, recipe, _settings(need))


def devices(need: Need) -> dict[int, str]:
    """The device that unpacks packets for virtual addresses of either version."""
    return {4: "tunl0", 6: "sit0"} if need.address.version == 4 else {4: OWN_DEVICE, 6: OWN_DEVICE}


def _settings(need: Need) -> dict[str, str]:
    of = {
        version: " ".join(str(one) for one in need.virtual_addresses if one.version == version)
        for version in (4, 6)
    }
    device = devices(need)
    return {
        "ADDRESSES": " ".join(map(str, need.virtual_addresses)),
        "ADDRESSES4": of[4],
        "ADDRESSES6": of[6],
        "DEVICE4": device[4],
        "DEVICE6": device[6],
        "TABLE": need.way("piranha_tunnel"),
        "OUTER": str(OUTER[need.address.version]),
    }


def _by_hand(need: Need) -> Iterator[str]:
    versions = sorted({one.version for one in need.virtual_addresses})
    outer = OUTER[need.address.version]
    segments = " and ".join(f"{1500 - outer - INNER[version]} over IPv{version}" for version in versions)
    yield _WHY
    yield commands(*_commands(need, versions))
    yield (
        "For the next start: the modules in /etc/modules-load.d/piranha.conf, a line each; the arp lines in "
        "/etc/sysctl.d/98-piranha.conf. --at-boot does all of it."
    )
    if 4 in versions:
        yield (
            "rp_filter 2 is loose; strict would drop what comes out of the tunnel. The higher value of "
            "`all` and the device counts, so 0 would have to stand in both places."
        )
    yield (
        f"The outer header takes {outer} bytes: of a way with an MTU of 1500 between router and real server "
        f"{1500 - outer} are left. Router and client settle that by ICMP; where it is filtered, uploads "
        f"hang. The script limits the segments that clients send (MSS {segments} at 1500), with nftables:"
    )
    yield commands(*(line for version in versions for line in _clamp(need, version)))
    yield (
        "The device unpacks for any sender: let a firewall take IP protocol 4 (IPv4 inside) and 41 (IPv6 "
        "inside) from the routers only."
    )


def _commands(need: Need, versions: Sequence[int]) -> Iterator[str]:
    device = devices(need)
    used = list(dict.fromkeys(device[version] for version in versions))
    yield from (f"modprobe {MODULES[one]}" for one in used)
    if 4 in versions:
        yield "sysctl -w net.ipv4.conf.all.arp_ignore=1"
        yield "sysctl -w net.ipv4.conf.all.arp_announce=2"
    if OWN_DEVICE in used:
        yield f"ip link add {OWN_DEVICE} type ip6tnl mode any local {need.address}"
    yield from (f"ip link set {one} up" for one in used)
    if 4 in versions:
        yield f"sysctl -w net.ipv4.conf.{device[4]}.rp_filter=2"
    for one in need.virtual_addresses:
        yield f"ip address add {one}/{one.max_prefixlen} dev {device[one.version]}"


def _clamp(need: Need, version: int) -> Iterator[str]:
    family = "ip6" if version == 6 else "ip"
    table = need.way("piranha_tunnel")
    listed = ", ".join(str(one) for one in need.virtual_addresses if one.version == version)
    size = 1500 - OUTER[need.address.version] - INNER[version]
    yield f"nft add table {family} {table}"
    yield f"nft 'add chain {family} {table} output {{ type filter hook output priority -150; }}'"
    yield (
        f"nft 'add rule {family} {table} output {family} saddr {{ {listed} }} "
        f"tcp flags & (syn | rst) == syn tcp option maxseg size set {size}'"
    )
