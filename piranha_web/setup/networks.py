"""Which networks may reach the pages: what is offered to an administrator, and what an answer means. Pure.

Enter takes the private ranges and this machine's own networks, as far as they are private. A public network
of this machine (a provider's, shared with strangers) is offered, and taken only by its number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lvs.pulse.terminal import harmless
from piranha_web.access.networks import (
    Address,
    Network,
    NetworkRefused,
    covering,
    is_everything,
    network_of,
    networks_of,
    shown,
)

PRIVATE = networks_of(["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fe80::/10"])
NOBODY = "none"
EVERYBODY = "everybody"
MOST = 100  # of one answer; who has more writes the file
OF_CONSOLE = "the set-up was done from here"
HELP = (
    "Enter takes those with a *. Or write numbers and networks: 1 3 192.0.2.0/24, "
    f"or {NOBODY}: only this machine itself."
)


class OddAnswer(ValueError):
    """What was typed is no answer; the text says why, and what to write."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A network that can be chosen. what: whose it is; is_default: Enter takes it; warning: read it first."""

    network: Network
    what: str
    is_default: bool = True
    warning: str = ""


def offers(own: Sequence[tuple[str, Network]], present: Mapping[Network, str] | None) -> tuple[Offer, ...]:
    """What is offered. own: interfaces with their networks; present: the list with its notes, None: none yet.

    Where there is a list, that is what Enter takes: asked again, nothing changes.
    """
    found: dict[Network, Offer] = {}
    for network, note in (present or {}).items():
        found[network] = Offer(network, note or "on the list now")
    is_first = present is None
    for interface, network in own:
        is_private = bool(covering(network.network_address, PRIVATE))
        is_default = is_first and is_private
        warning = "" if is_private else " (public addresses: who else is in it?)"
        offer = Offer(network, f"the network of {interface}", is_default, warning)
        found.setdefault(network, offer)
    for network in PRIVATE:
        what = "this link alone" if network.is_link_local else "private addresses"
        found.setdefault(network, Offer(network, what, is_first))
    return tuple(found.values())


def lines(offered: Sequence[Offer]) -> list[str]:
    """The offers as the terminal shows them, numbered."""
    width = max(len(str(one.network)) for one in offered)
    return [
        f"{'*' if one.is_default else ' '}{number:>3}  {one.network!s:<{width}}  "
        f"{harmless(one.what)}{one.warning}"
        for number, one in enumerate(offered, start=1)
    ]


def chosen(text: str, offered: Sequence[Offer]) -> tuple[Offer, ...]:
    """What an answer means; OddAnswer."""
    words = text.replace(",", " ").split()
    if not words:
        return tuple(one for one in offered if one.is_default)
    if words == [NOBODY]:
        return ()
    if len(words) > MOST:
        raise OddAnswer(f"That is more than {MOST} networks: write larger ones, or the list by hand.")
    is_meant = EVERYBODY in words
    found: dict[Network, Offer] = {}
    for word in words:
        if word != EVERYBODY:
            one = meant(word, offered)
            if not one.network.is_loopback:  # it always may, and is on no list
                found.setdefault(one.network, one)
    wide = next((one.network for one in found.values() if is_everything(one.network)), None)
    if wide is not None and not is_meant:
        raise OddAnswer(
            f"{wide} is every IPv{wide.version} address there is: whoever can send a packet to this machine "
            f"may then try passwords. If you mean it: {text.strip()} {EVERYBODY}"
        )
    if is_meant and wide is None:
        raise OddAnswer(f"{EVERYBODY} is said beside 0.0.0.0/0 or ::/0, to show that you mean it.")
    return tuple(found.values())


def meant(word: str, offered: Sequence[Offer]) -> Offer:
    """One word of an answer: a number of the list, or a network."""
    if word.isascii() and word.isdecimal():
        if len(word) > 4 or not 1 <= int(word) <= len(offered):
            known = f"they are 1 to {len(offered)}" if offered else "write networks"
            raise OddAnswer(f"There is no number {shown(word)}: {known}.")
        return offered[int(word) - 1]
    if word.lower() == NOBODY:
        raise OddAnswer(f"{NOBODY} stands alone, or not at all.")
    try:
        network = network_of(word)
    except NetworkRefused as error:
        raise OddAnswer(str(error)) from error
    return next((one for one in offered if one.network == network), Offer(network, ""))


def with_console(taken: Sequence[Offer], console: Address | None) -> tuple[Offer, ...]:
    """The same, and where the administrator sits, if that would be locked out."""
    if console is None or console.is_loopback or covering(console, [one.network for one in taken]):
        return tuple(taken)
    return (*taken, Offer(network_of(str(console)), OF_CONSOLE))
