"""The frame of every script: POSIX sh that can run twice, knows what it put in, and takes exactly that out.

A script notes each thing in /var/lib/piranha-real-server/WAY before it does it, a line each: a verb and its
words. --undo goes through the lines backwards and calls `out_VERB` with the words; what was there already is
not noted and stays. What an earlier version of the script put in and this one does not want goes as well.
A parameter of the kernel may be held by several ways at once; its old value comes back with the last.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from lvs.realservers.needs import Need
from lvs.realservers.setup import Setup, file_name, plain, text

KEPT = "/var/lib/piranha-real-server"
MARK = "Piranha Web"  # stands in the head of every file that a script writes

_FRAME = r"""
say() { printf '%s\n' "$*"; }
refuse() { printf '%s\n' "Nothing was changed. $*" >&2; exit 1; }
fail() { printf '%s\n' "$* (--undo takes out what was done so far.)" >&2; exit 1; }

# The interfaces that have an address.
interfaces_of() { ip -o address show to "$1" | sed -n 's/^[0-9]*: *\([^ @]*\).*/\1/p'; }

# What this way has put in stands in KNOWN, what this run wants in WANTED: lines, the oldest first.
N='
'
has_line() { case "$N$1" in *"$N$2$N"*) ;; *) return 1 ;; esac; }
known() { has_line "$KNOWN" "$1"; }
note() {
    if ! known "$1"; then
        printf '%s\n' "$1" >>"$KEPT/$WAY"
        KNOWN="$KNOWN$1$N"
    fi
    has_line "$WANTED" "$1" || WANTED="$WANTED$1$N"
}
keep() { if known "$1"; then note "$1"; fi; }

take_out() {
    words=${1#* }
    # shellcheck disable=SC2086
    "out_${1%% *}" $words </dev/null
}

undo() {
    if [ ! -f "$KEPT/$WAY" ]; then
        say "There is nothing of $WAY on this machine."
        return
    fi
    only_one
    sed '1!G;h;$!d' "$KEPT/$WAY" | while IFS= read -r line; do take_out "$line"; done
    rm -f "$KEPT/$WAY" "$KEPT/$WAY.own"
    rmdir "$KEPT" 2>/dev/null || :
    say "All of $WAY is taken out."
}

# A machine that is two real servers: each script would take out what the other put in.
only_one() {
    if [ -f "$KEPT/$WAY.own" ] && [ "$(cat "$KEPT/$WAY.own")" != "$OWN" ]; then
        refuse "This machine is set up so as $(cat "$KEPT/$WAY.own"): run that script with --undo first."
    fi
}

# What an earlier version of this script put in.
drop_the_rest() {
    [ -f "$KEPT/$WAY" ] || return 0
    sed '1!G;h;$!d' "$KEPT/$WAY" | while IFS= read -r line; do
        has_line "$WANTED" "$line" || take_out "$line"
    done
    printf '%s' "$WANTED" >"$KEPT/$WAY"
}

# A virtual address on a network interface: this is a router, or some other machine that answers for it.
not_its_own() {
    for on in $(interfaces_of "$1"); do
        case $on in
        lo | tunl0 | sit0 | piranha*) ;;
        *)
            refuse "$1 is this machine's own address on $on. Is this a router? If not, take it away there \
first: ip address del $1 dev $on"
            ;;
        esac
    done
}
"""

_MAIN = r"""
main() {
    [ "$(id -u)" = 0 ] || refuse "Only root can do this."
    case ${1-} in
    '' | --at-boot) ;;
    --undo) undo; exit ;;
    *) refuse "Use it as: sh $0 $USE" ;;
    esac
    command -v ip >/dev/null || refuse "The program ip is missing: install the package iproute2."
    INTERFACE=$(interfaces_of "$OWN" | sed -n 1p)
    [ -n "$INTERFACE" ] || refuse "This machine does not have $OWN, the real server's address: run it there."
    BOOT=${1-}
    only_one
    look
    mkdir -p -m 700 "$KEPT"
    printf '%s\n' "$OWN" >"$KEPT/$WAY.own"
    WANTED=
    KNOWN=
    if [ -s "$KEPT/$WAY" ]; then KNOWN=$(cat "$KEPT/$WAY")$N; fi
    apply
    finish
    drop_the_rest
    say "This machine is set up: $WAY."
}

main "$@"
"""

ADDRESSES = r"""
add_address() { # INTERFACE ADDRESS/LENGTH
    if [ -n "$(ip -o address show dev "$1" to "$2")" ]; then
        keep "address $1 $2"
        say "$2 is on $1."
        return
    fi
    note "address $1 $2"
    case $2 in
    *:*) ip address add "$2" dev "$1" nodad ;;
    *) ip address add "$2" dev "$1" ;;
    esac
    say "Added $2 to $1."
}
out_address() {
    if [ -n "$(ip -o address show dev "$1" to "$2" 2>/dev/null)" ]; then
        ip address del "$2" dev "$1"
        say "Took $2 off $1."
    fi
}
"""

PARAMETERS = r"""
hold() { # PARAMETER VALUE
    held=$KEPT/$(printf '%s' "$1" | tr / %)
    now=$(cat "/proc/sys/$1")
    [ -f "$held.before" ] || printf '%s\n' "$now" >"$held.before"
    : >"$held.for.$WAY"
    note "parameter $1"
    if [ "$now" = "$2" ]; then
        say "$1 is $2."
    else
        printf '%s\n' "$2" >"/proc/sys/$1"
        say "Set $1 to $2 (it was $now)."
    fi
}
out_parameter() {
    held=$KEPT/$(printf '%s' "$1" | tr / %)
    rm -f "$held.for.$WAY"
    for other in "$held".for.*; do
        if [ -e "$other" ]; then return 0; fi
    done
    if [ -f "$held.before" ] && [ -e "/proc/sys/$1" ]; then
        cat "$held.before" >"/proc/sys/$1"
        say "Set $1 back to $(cat "$held.before")."
    fi
    rm -f "$held.before"
}
"""

FILES = r"""
not_foreign() { # PATH
    if [ -e "$1" ] && ! grep -q '@MARK@' "$1"; then
        refuse "The file $1 is not from Piranha Web: move it away first."
    fi
}
write_file() { # PATH MODE, the text on standard input
    note "file $1"
    mkdir -p "$(dirname "$1")"
    cat >"$1.new"
    chmod "$2" "$1.new"
    if cmp -s "$1.new" "$1"; then
        rm -f "$1.new"
        say "$1 is as it should be."
    else
        mv -f "$1.new" "$1"
        say "Wrote $1."
    fi
}
out_file() {
    if [ -d "$*.d" ]; then return 0; fi # another script's lines for the same thing
    if [ -e "$*" ]; then
        rm -f "$*"
        case $* in */*.network.d/*) rmdir "$(dirname "$*")" 2>/dev/null || : ;; esac
        say "Removed $*."
    fi
}
"""

BOOT = r"""
# With --at-boot, and from then on: systemd runs a copy of this script at every start of the machine.
finish() {
    if [ "$BOOT" != --at-boot ] && ! known "boot piranha-$WAY.service"; then return 0; fi
    copy=/usr/local/sbin/piranha-$WAY
    unit=/etc/systemd/system/piranha-$WAY.service
    if [ "$0" = "$copy" ]; then
        note "file $copy"
        note "file $unit"
        note "boot piranha-$WAY.service"
        return
    fi
    [ -f "$0" ] || fail "Save this script as a file for --at-boot."
    command -v systemctl >/dev/null || fail "This machine has no systemd: let its start-up call this script."
    write_file "$copy" 755 <"$0"
    write_file "$unit" 644 <<END
# @MARK@: the set-up of this real server. Its script takes it out with --undo.
[Unit]
Description=Set this real server up ($WAY)
Wants=network-online.target
After=network-online.target nftables.service firewalld.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=$copy

[Install]
WantedBy=multi-user.target
END
    note "boot piranha-$WAY.service"
    systemctl --quiet enable "piranha-$WAY.service"
}
out_boot() {
    systemctl --quiet disable "$1" || :
    say "$1 does not run at the start any more."
}
"""

NFTABLES = r"""
out_nft() { # FAMILY TABLE
    if nft list table "$1" "$2" >/dev/null 2>&1; then
        nft delete table "$1" "$2"
        say "Removed the nftables table $1 $2."
    fi
}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What tells one way from another: the words of its Setup, and what its script does.

    by_hand: the paragraphs of the text. body: the shell functions `look` (which may refuse, and changes
    nothing) and `apply`. pieces: those of this module that the body calls; with BOOT the script knows
    --at-boot.
    """

    way: str  # as of Need.way
    title: str
    when: str
    by_hand: tuple[str, ...]
    body: str
    pieces: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


def setup(need: Need, recipe: Recipe, settings: Mapping[str, str], warnings: tuple[str, ...] = ()) -> Setup:
    """The recipe for one real server. settings: variables of the script."""
    return Setup(
        way=recipe.way,
        title=recipe.title,
        when=recipe.when,
        text=text(*recipe.by_hand),
        script=_script(need, recipe, settings),
        file_name=file_name(need.name, recipe.way),
        files=recipe.files,
        warnings=warnings,
        forwarding=need.forwarding,
    )


def _script(need: Need, recipe: Recipe, settings: Mapping[str, str]) -> str:
    boots = BOOT in recipe.pieces
    own_name = file_name(need.name, recipe.way)
    names = ", ".join(plain(one.name) for one in need.virtual_servers)
    head = [
        "#!/bin/sh",
        f"# {MARK}: {recipe.title}",
        f"# For the real server {plain(need.name)}, {need.address}; virtual servers: {names}.",
        "#",
        "# Run it as root on that machine; again whenever you like, it changes nothing more then.",
        f"#   sh {own_name}            sets the machine up" + (", until its next start" if boots else ""),
        *([f"#   sh {own_name} --at-boot  sets it up now and at every start"] if boots else []),
        f"#   sh {own_name} --undo     takes out what it put in, and nothing else",
        "set -eu",
        "export LC_ALL=C",
        "PATH=$PATH:/usr/sbin:/sbin",
        "umask 022",
        "",
    ]
    values = {
        "WAY": recipe.way,
        "USE": "[--at-boot | --undo]" if boots else "[--undo]",
        "KEPT": KEPT,
        "OWN": str(need.address),
        **settings,
    }
    head += [f"{name}={shlex.quote(value)}" for name, value in values.items()]
    no_boot = () if boots else ("\nfinish() { :; }\n",)
    parts = (_FRAME, *recipe.pieces, *no_boot, "\n" + recipe.body.strip("\n") + "\n", _MAIN)
    return "\n".join(head) + "\n" + "".join(parts).replace("@MARK@", MARK)
