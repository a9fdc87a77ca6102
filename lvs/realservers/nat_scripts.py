"""What the scripts for NAT do, for `lvs.realservers.shell.script`.

Variables: GATEWAY; FAMILY (-4 or -6), METRIC of the default route, EVERYWHERE (its destination); FIELD (ipv4
or ipv6, for NetworkManager); TABLE.
"""

from __future__ import annotations

ROUTE = r"""
# The gateway must be a neighbour, or nothing that is sent there would arrive.
gateway_is_near() {
    case $(ip route get "$GATEWAY" 2>&1 || :) in
    local*) refuse "$GATEWAY is this machine's own address: it is a router, or the configuration is wrong." ;;
    *" via "* | *RTNETLINK*)
        refuse "$GATEWAY is in no network of this machine: give it an address in the NAT router's network." ;;
    esac
}
"""
# What replaces the old route has no metric (IPv4) or the least (IPv6), so that it goes before a gateway
# from DHCP or from a router advertisement, which have one, and leaves those in peace.
DEFAULT = r"""
before_us() { # the default routes that ours would replace
    case $FAMILY in
    -4) ip -4 -o route show default | grep -v ' metric ' || : ;;
    -6) ip -6 -o route show default | grep ' metric 1 ' || : ;;
    esac
}
now() {
    found=$(before_us | sed 's/ linkdown//g;s/ dead//g;s/\\//g;s/ *$//' | sed -n 1p)
    old=$([ ! -f "$KEPT/$WAY" ] || sed -n "s|^gateway $FAMILY $GATEWAY||p" "$KEPT/$WAY")
    case "$found " in
    "default via $GATEWAY "*)
        keep "gateway $FAMILY $GATEWAY$old"
        say "The default gateway is $GATEWAY."
        return
        ;;
    esac
    note "gateway $FAMILY $GATEWAY${old:-${found:+ $found}}"
    # shellcheck disable=SC2086
    ip "$FAMILY" route replace default via "$GATEWAY" dev "$INTERFACE" $METRIC
    say "The default gateway is now $GATEWAY${found:+ (it was: $found)}."
}
out_gateway() { # FAMILY GATEWAY, and the route before
    family=$1 gateway=$2
    shift 2
    while ip "$family" route del default via "$gateway" 2>/dev/null; do
        say "$gateway is the default gateway no more."
    done
    if [ $# -gt 0 ]; then
        if ip "$family" route replace "$@"; then say "The route is back: $*"; fi
    fi
}
"""
NOW = r"""
look() { gateway_is_near; }
apply() { now; }
"""
NETWORKD = r"""
look() {
    gateway_is_near
    command -v networkctl >/dev/null || refuse "systemd-networkd is not here: take another way."
    network=$(networkctl --no-pager --full status "$INTERFACE" | sed -n 's/^ *Network File: *//p')
    case $network in
    */*) ;;
    *) refuse "systemd-networkd does not manage $INTERFACE: take another way." ;;
    esac
    drop_in=/etc/systemd/network/$(basename "$network").d/50-piranha-$WAY.conf
    not_foreign "$drop_in"
}
apply() {
    now
    write_file "$drop_in" 644 <<END
# @MARK@: the way back to the NAT router. The script that wrote this takes it out with --undo.
[Route]
Gateway=$GATEWAY
END
    networkctl reload || fail "systemd-networkd does not run."
    say "If $network has a Gateway= of its own, remove that line: the machine would have two."
}
"""
NETPLAN = r"""
look() {
    gateway_is_near
    command -v netplan >/dev/null || refuse "netplan is not here: take another way."
    not_foreign "/etc/netplan/90-piranha-$WAY.yaml"
    kind=ethernets
    if [ -d "/proc/net/bonding" ] && [ -e "/proc/net/bonding/$INTERFACE" ]; then kind=bonds; fi
    if [ -e "/proc/net/vlan/$INTERFACE" ]; then kind=vlans; fi
    if ip -d link show dev "$INTERFACE" | grep -q ' bridge forward_delay '; then kind=bridges; fi
}
apply() {
    now
    write_file "/etc/netplan/90-piranha-$WAY.yaml" 600 <<END
# @MARK@: the way back to the NAT router. The script that wrote this takes it out with --undo.
network:
  version: 2
  $kind:
    $INTERFACE:
      routes:
        - to: "$EVERYWHERE"
          via: "$GATEWAY"
END
    netplan generate || fail "netplan refuses: remove the gateway of $INTERFACE from its other files."
    say "If another file in /etc/netplan gives $INTERFACE a gateway, remove it there: there would be two."
}
"""
IFUPDOWN = r"""
look() {
    gateway_is_near
    [ -d /etc/network/if-up.d ] || refuse "ifupdown is not here: take another way."
    not_foreign "/etc/network/if-up.d/piranha-$WAY"
}
apply() {
    now
    write_file "/etc/network/if-up.d/piranha-$WAY" 755 <<END
#!/bin/sh
# @MARK@: the way back to the NAT router. The script that wrote this takes it out with --undo.
[ "\$IFACE" = "$INTERFACE" ] || exit 0
ip $FAMILY route replace default via $GATEWAY dev $INTERFACE $METRIC
END
    say "A gateway line for $INTERFACE in /etc/network/interfaces is of no use any more: remove it."
}
"""
NETWORKMANAGER = r"""
look() {
    gateway_is_near
    command -v nmcli >/dev/null || refuse "NetworkManager is not here: take another way."
    profile=$(nmcli -g GENERAL.CON-UUID device show "$INTERFACE")
    [ -n "$profile" ] || refuse "NetworkManager does not manage $INTERFACE: take another way."
    [ "$(nmcli -g "$FIELD.method" connection show "$profile")" = manual ] ||
        refuse "$INTERFACE has its address from elsewhere: give it a fixed one first ($FIELD.method manual)."
}
apply() {
    # nmcli writes the colons of an IPv6 address with a backslash.
    was=$(nmcli -g "$FIELD.gateway" connection show "$profile" | tr -d '\\')
    if [ "$was" = "$GATEWAY" ]; then
        old=$([ ! -f "$KEPT/$WAY" ] || sed -n "s|^profile $profile $FIELD.gateway||p" "$KEPT/$WAY")
        keep "profile $profile $FIELD.gateway$old"
        say "The default gateway of $INTERFACE is $GATEWAY."
        return
    fi
    note "profile $profile $FIELD.gateway${was:+ $was}"
    nmcli connection modify "$profile" "$FIELD.gateway" "$GATEWAY"
    nmcli device reapply "$INTERFACE"
    say "The default gateway of $INTERFACE is now $GATEWAY${was:+ (it was $was)}."
}
out_profile() { # PROFILE FIELD and its value before
    nmcli connection modify "$1" "$2" "${3-}"
    nmcli connection up "$1"
    say "The default gateway is ${3:-none} again."
}
"""
ANSWERS = r"""
look() { gateway_is_near; }
apply() {
    route default via "$GATEWAY" dev "$INTERFACE"
    # Neighbours, the routers that check among them, are answered without a detour.
    for net in $(ip "$FAMILY" route show table main dev "$INTERFACE" proto kernel | sed 's/ .*//'); do
        case $net in fe80:* | default | multicast) ;; *) route "$net" dev "$INTERFACE" ;; esac
    done
@RULES@
}
route() {
    note "route $FAMILY $*"
    ip "$FAMILY" route replace "$@" table "$TABLE"
    say "Table $TABLE: $*"
}
out_route() {
    family=$1
    shift
    ip "$family" route del "$@" table "$TABLE" 2>/dev/null || :
    say "Table $TABLE no more: $*"
}
rule() {
    if refusal=$(ip "$FAMILY" rule add "$@" lookup "$TABLE" priority "$TABLE" 2>&1); then
        note "rule $FAMILY $*"
        say "Rule $TABLE: $*"
        return
    fi
    case $refusal in
    *"File exists"*) keep "rule $FAMILY $*" ;;
    *) fail "The kernel refuses the rule $*: $refusal" ;;
    esac
}
out_rule() {
    family=$1
    shift
    ip "$family" rule del "$@" lookup "$TABLE" priority "$TABLE" 2>/dev/null || :
    say "Rule $TABLE no more: $*"
}
"""
