"""What the scripts of direct routing do, for `lvs.realservers.shell.script`.

Variables: ADDRESSES (all virtual ones), ADDRESSES4; for NetworkManager LIST4, LIST6, METHOD4, METHOD6.
"""

from __future__ import annotations

KEEPS_SILENT = """
silent_in_arp() {
    [ -n "$ADDRESSES4" ] || return 0
    hold net/ipv4/conf/all/arp_ignore 1
    hold net/ipv4/conf/all/arp_announce 2
}
# Silence comes before the address, at every start of the machine too: files of sysctl.d are read before the
# network comes up.
silent_at_start() {
    [ -n "$ADDRESSES4" ] || return 0
    write_file "/etc/sysctl.d/98-piranha-$WAY.conf" 644 <<END
# @MARK@: this real server does not answer ARP for the virtual addresses. Its script takes it out with --undo.
net.ipv4.conf.all.arp_ignore = 1
net.ipv4.conf.all.arp_announce = 2
END
}
with_length() { case $1 in *:*) echo "$1/128" ;; *) echo "$1/32" ;; esac; }
on_lo() { for address in $ADDRESSES; do add_address lo "$(with_length "$address")"; done; }
none_is_its_own() { for address in $ADDRESSES; do not_its_own "$address"; done; }
"""
NOW = """
look() { none_is_its_own; }
apply() {
    silent_in_arp
    on_lo
}
"""
# With a file for what sets the network up: @FILE@ with the text @LINES@ and the mode @MODE@.
FILE = """
look() {
    none_is_its_own
    there
    not_foreign @FILE@
}
apply() {
    silent_in_arp
    silent_at_start
    on_lo
    before
    write_file @FILE@ @MODE@ <<'END'
# @MARK@: the virtual addresses. The script that wrote this takes it out with --undo.
@LINES@
END
    read_it
}
"""
NETWORKD = """
# lo has one file, the first that matches it; each script adds its own lines beside.
before() {
    write_file /etc/systemd/network/10-piranha-lo.network 644 <<'END'
# @MARK@: the virtual addresses. The scripts that wrote this take it out with --undo.
[Match]
Name=lo
END
}
there() { command -v networkctl >/dev/null || refuse "systemd-networkd is not here: take another way."; }
read_it() { networkctl reload || fail "systemd-networkd does not run."; }
"""
NETPLAN = """
before() { :; }
there() { command -v netplan >/dev/null || refuse "netplan is not here: take another way."; }
read_it() { netplan generate || fail "netplan does not take @FILE@."; }
"""
IFUPDOWN = """
before() { :; }
there() {
    interfaces=/etc/network/interfaces
    grep -Eqs '^[[:blank:]]*source(-directory)?[[:blank:]]+[^[:blank:]]*interfaces\\.d' $interfaces ||
        refuse "$interfaces does not read its folder: add to it the line: source $interfaces.d/*"
}
read_it() { :; }
"""
NETWORKMANAGER = """
look() {
    none_is_its_own
    command -v nmcli >/dev/null || refuse "NetworkManager is not here: take another way."
}
apply() {
    silent_in_arp
    silent_at_start
    if ! nmcli -g connection.uuid connection show $PROFILE >/dev/null 2>&1; then
        note "profile $PROFILE"
        nmcli connection add type dummy con-name $PROFILE ifname $PROFILE
    fi
    keep "profile $PROFILE"
    set -- connection.autoconnect yes
    set -- "$@" ipv4.method "$METHOD4" ipv4.addresses "$LIST4" ipv6.method "$METHOD6" ipv6.addresses "$LIST6"
    nmcli connection modify $PROFILE "$@"
    nmcli connection up $PROFILE
}
out_profile() {
    nmcli connection delete "$1" || :
    say "NetworkManager has the profile $1 no more."
}
"""
ARPTABLES = """
look() {
    none_is_its_own
    if command -v nft >/dev/null; then
        TOOL=nft
    elif command -v arptables >/dev/null; then
        TOOL=arptables
    else
        refuse "Neither nft nor arptables is here: install the package nftables, or take another way."
    fi
}
apply() {
    "with_$TOOL"
    on_lo
}
with_nft() {
    note "nft arp piranha_arp"
    nft -f - <<END
@TABLE@
END
    say "The nftables table arp piranha_arp is in place."
}
with_arptables() {
    for address in $ADDRESSES4; do
        arp_rule INPUT -d "$address" -j DROP
        arp_rule OUTPUT -s "$address" -j mangle --mangle-ip-s "$OWN"
    done
}
arp_rule() {
    if known "arp_rule $*"; then arptables -D "$@" 2>/dev/null || :; fi
    note "arp_rule $*"
    arptables -A "$@"
    say "arptables -A $*"
}
out_arp_rule() {
    arptables -D "$@" 2>/dev/null || :
    say "arptables -D $*"
}
"""
