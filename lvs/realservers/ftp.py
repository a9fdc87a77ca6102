"""FTP: the lines of vsftpd's configuration that a balanced FTP server needs."""

from __future__ import annotations

from collections.abc import Iterator

from lvs.config.model import Address, Forwarding, PortRange, VirtualServer
from lvs.config.ports import FTP_DATA, needs_ftp_helper, passive_ports, serves_ftp
from lvs.realservers.needs import Need
from lvs.realservers.setup import Setup, commands
from lvs.realservers.shell import Recipe, setup

_BODY = r"""
look() {
    conf=
    for path in /etc/vsftpd.conf /etc/vsftpd/vsftpd.conf; do
        if [ -f "$path" ]; then conf=$path; fi
    done
    [ -n "$conf" ] || refuse "vsftpd is not here: install it, or give another FTP server the same settings."
}
without_ours() { sed "/^# @MARK@: begin $WAY\$/,/^# @MARK@: end $WAY\$/d" "$1"; }
# The last of several equal settings counts for vsftpd, so ours stand at the end.
apply() {
    note "lines $conf"
    without_ours "$conf" >"$KEPT/vsftpd.new"
    if [ -n "$(tail -c 1 "$KEPT/vsftpd.new")" ]; then echo >>"$KEPT/vsftpd.new"; fi
    cat >>"$KEPT/vsftpd.new" <<END
# @MARK@: begin $WAY
@LINES@
END
@IPV4@
    echo "# @MARK@: end $WAY" >>"$KEPT/vsftpd.new"
    if cmp -s "$KEPT/vsftpd.new" "$conf"; then
        say "$conf is as it should be."
    else
        cat "$KEPT/vsftpd.new" >"$conf"
        say "Wrote the lines into $conf. They count from vsftpd's next start: systemctl restart vsftpd"
    fi
    rm -f "$KEPT/vsftpd.new"
}
out_lines() {
    if [ -f "$1" ]; then
        without_ours "$1" >"$KEPT/vsftpd.new"
        cat "$KEPT/vsftpd.new" >"$1"
        rm -f "$KEPT/vsftpd.new"
        say "Took the lines out of $1. That counts from vsftpd's next start: systemctl restart vsftpd"
    fi
}
"""

# Where vsftpd listens with an IPv6 socket, as Debian's does, it names 0,0,0,0 in place of pasv_address.
_IPV4_ONLY = r"""
    if grep -q '^listen_ipv6=YES' "$KEPT/vsftpd.new"; then
        printf '%s\n' listen=YES listen_ipv6=NO >>"$KEPT/vsftpd.new"
    fi
"""
_NAMES_NAT = (
    "With NAT the server must also name the virtual address in place of its own; clients that ask with EPSV, "
    "such as all by IPv6, are told none. vsftpd names it only where it listens with IPv4 alone: where its "
    "file has `listen_ipv6=YES`, as Debian's, set `listen=YES` and `listen_ipv6=NO`, and run a second vsftpd "
    "for IPv6."
)
_NAMES_FOR_IT = (
    "The router's kernel (its module ip_vs_ftp) reads which address and port the server names, and puts the "
    "virtual address in. So the server must not name the virtual address by itself: take out any other line "
    "with pasv_address. It reads nothing that TLS hides: for FTP over TLS give the virtual server a firewall "
    "mark and passive ports."
)
_NAMES_ITSELF = (
    "The server sees the virtual address as its own and names it by itself. (Behind REDIRECT it does not: "
    "add pasv_address with the virtual address.)"
)


def ways(need: Need) -> Iterator[Setup]:
    """vsftpd's lines, when one of the virtual servers has port 21."""
    serving = [one for one in need.virtual_servers if serves_ftp(one)]
    if not serving:
        return
    lines = list(_lines(need, serving))
    recipe = Recipe(
        way=need.way(f"ftp-{need.forwarding}"),
        title="The FTP server vsftpd",
        when="For the virtual servers with port 21. Another FTP server needs the same by other names.",
        by_hand=(
            _passive(serving),
            f"In active mode the server connects to the client from port {FTP_DATA}.",
            _naming(need),
            "In /etc/vsftpd.conf (Fedora, RHEL: /etc/vsftpd/vsftpd.conf), then `systemctl restart vsftpd`:",
            commands(*lines),
        ),
        body=_BODY.replace("@LINES@", "\n".join(lines)).replace(
            "@IPV4@\n", _IPV4_ONLY.lstrip("\n") if _names_one(need, serving) else ""
        ),
        files=("/etc/vsftpd.conf",),
    )
    yield setup(need, recipe, {}, tuple(_warnings(need, serving)))


def _passive(serving: list[VirtualServer]) -> str:
    text = "In passive mode the FTP server names a port of its own, to which the client connects"
    if not any(one.fwmark for one in serving):
        return f"{text}."
    return (
        f"{text}: it must be one that the virtual server's firewall mark gathers, so both have the same "
        "range."
    )


def _naming(need: Need) -> str:
    if need.forwarding is not Forwarding.NAT:
        return _NAMES_ITSELF
    return _NAMES_FOR_IT if need.ftp_helper else _NAMES_NAT


def _lines(need: Need, serving: list[VirtualServer]) -> Iterator[str]:
    yield "pasv_enable=YES"
    for passive in _ranges(serving)[:1]:
        yield f"pasv_min_port={passive.first}"
        yield f"pasv_max_port={passive.last}"
    yield "port_enable=YES"
    yield "connect_from_port_20=YES"
    if _names_one(need, serving):
        yield f"pasv_address={_addresses(serving)[0]}"
        yield "pasv_addr_resolve=NO"


def _names(need: Need) -> bool:
    """Whether vsftpd is to name the virtual address: not where the kernel puts it in (lvs.config.ports)."""
    return need.forwarding is Forwarding.NAT and not need.ftp_helper


def _names_one(need: Need, serving: list[VirtualServer]) -> bool:
    """Whether there is one to name: IPv6 has no PASV."""
    return _names(need) and bool(_addresses(serving))


def _ranges(serving: list[VirtualServer]) -> list[PortRange]:
    """The passive ports of those that have some, each once; IPVS asks for none where there is no mark."""
    return list(dict.fromkeys(ports for one in serving if (ports := passive_ports(one))))


def _addresses(serving: list[VirtualServer]) -> list[Address]:
    """The IPv4 ones, each once: what EPSV answers (RFC 2428) has no address in it."""
    found = (one.address.address for one in serving if one.address)
    return list(dict.fromkeys(one for one in found if one.version == 4 and not one.is_unspecified))


def _warnings(need: Need, serving: list[VirtualServer]) -> Iterator[str]:
    for one in serving:
        if needs_ftp_helper(one, need.forwarding):
            continue  # the router's kernel follows its data connections
        if one.fwmark and passive_ports(one) is None:
            yield (
                f"{one.name} has no ports for passive mode, so only active mode works: give it further "
                "ports such as 10000:20000 and persistence"
            )
        elif not one.persistence:
            yield (
                f"{one.name} has no persistence, so a client's data connection may go to another real server "
                "than its control connection: set persistent"
            )
    if len(_ranges(serving)) > 1:
        yield "the virtual servers differ in their passive ports, but vsftpd has one range: make them equal"
    if _names(need) and len(_addresses(serving)) > 1:
        yield "vsftpd names one virtual address only: run one vsftpd for each, or use direct routing"
