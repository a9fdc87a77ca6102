"""`piranha rules`: the rule set of this router, at a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from lvs.pulse.client import PulseClient
from lvs.pulse.terminal import attempted, say, say_document

SECONDS = 10

Document = Mapping[str, Any]


def rules_command(socket: Path, *, as_iptables: bool, as_json: bool) -> int:
    """Prints the rules in nft's language, in that of iptables-save, or all that pulse says as JSON.

    What was counted and what is odd comes before them, in remarks: what is printed can be loaded.
    """

    def work() -> None:
        found = PulseClient(socket, SECONDS).rules()
        if as_json:
            say_document(found)
        else:
            say(f"# {line}" for line in described(found))
            say(found["iptables" if as_iptables else "nft"].splitlines())

    return attempted(work)


def described(found: Document) -> Iterator[str]:
    """What the rules do and have counted, where they are kept, and what is odd about them."""
    if not found["nft"]:
        yield "No rules: no virtual server has a firewall mark, none uses NAT, and no port is guarded."
    for mark in found["marks"]:
        host = f"[{mark['address']}]" if ":" in mark["address"] else mark["address"]
        whose = mark["virtual_server"] or "no virtual server"
        yield (
            f"{whose}: {mark['protocol']} {host}:{mark['ports']} gets mark {mark['fwmark']}; {_counted(mark)}"
        )
    masquerade = found["masquerade"]
    if masquerade:
        real_servers = ", ".join(masquerade["real_servers"])
        yield f"masquerade for {real_servers}; {masquerade['packets']} connections"
    guard = found["guard"]
    if guard:
        networks = ", ".join(guard["networks"]) or "nobody else"
        yield f"port {guard['port']} only for this machine and {networks}; refused: {_counted(guard)}"
    for module in found["modules"]:
        state = "loaded" if module["loaded"] else "NOT loaded"
        yield f"kernel module {module['name']} {state}: {module['why']}"
    saved = found["saved"]
    if saved:
        at = datetime.fromtimestamp(saved["at"]).astimezone().isoformat(sep=" ", timespec="seconds")
        yield f"kept in {saved['path']} since {at}"
    for sentence in found["drift"]:
        yield f"changed by hand: {sentence}"
    for remark in found["remarks"]:
        yield f"{remark['level']}: {remark['what']} {remark['why']} To do: {remark['remedy']}"


def _counted(of: Document) -> str:
    return f"{of['packets']} packets, {of['bytes']} bytes"
