"""What is wrong with the pair, and what speaks against a hand-over: sentences that say what to do. Pure."""

from __future__ import annotations

from lvs.pulse.election.peer import Peer
from lvs.pulse.election.table import Action, Alarm, Stage, Verb
from lvs.pulse.election.view import View
from lvs.pulse.heartbeat import Heartbeat
from lvs.router.floating import Role

_DIFFERS = 10.0  # seconds; an Apply reaches one router after the other


def refusals(view: View, now: float, *, anyway: bool = False) -> tuple[str, ...]:
    """Why a hand-over would be refused at now. anyway: whatever lvs.cf and the real servers are there."""
    peer = view.peer
    if view.stage in (Stage.YIELDING, Stage.STANDING_DOWN):
        return ("This router is handing over just now: wait a moment.",)
    if peer is None or not view.peer_alive(now):
        return ("The other router is not heard: start its pulse, or mend the links between the routers.",)
    found = []
    if view.role is Role.ACTIVE:
        found += _against_peer(peer)
    elif not view.own.fitness.is_fit:
        found.append(" ".join(("This router is not fit to be active.", *view.own.fitness.reasons)))
    elif not peer.active:
        return ()
    elif not peer.heartbeat.hears:
        found.append("The active router does not hear this one: mend the links between the routers.")
    return tuple(found) if anyway else (*found, *_against_standby(view, peer.heartbeat))


def _against_peer(peer: Peer) -> list[str]:
    """What keeps the other router from taking over."""
    word, found = peer.heartbeat, []
    if peer.active:
        return ["The other router is active as well: wait until one of the two has stood down."]
    if word.leaving:
        found.append("The other router's pulse is ending: wait until it has started again.")
    if not word.fit:
        found.append("The other router is not fit to be active: its own status says why.")
    if not word.hears:
        found.append("The other router does not hear this one: mend the links between the routers.")
    return found


def _against_standby(view: View, word: Heartbeat) -> list[str]:
    """Whether the standby would serve as well as the active router does."""
    found = []
    if word.sha256 != view.own.sha256:
        found.append(
            f"The other router runs another lvs.cf (serial {word.serial}, here {view.own.serial}):"
            " apply the revision to both routers first."
        )
    here, there = f"{view.own.healthy} of {view.own.total}", f"{word.healthy} of {word.total}"
    # Those that fail are compared, not those that are well: of real servers in the administrator's hand
    # neither router counts any, and of an order that was given just now one may not have heard yet.
    more = (word.total - word.healthy) - (view.own.total - view.own.healthy)
    if view.role is Role.ACTIVE and more > 0:
        found.append(
            f"The other router finds only {there} real servers healthy, this one {here}: look there at what"
            " its checks say, or wait for its next ones."
        )
    if view.role is Role.STANDBY and more < 0:
        found.append(
            f"This router finds only {here} real servers healthy, the active one {there}: look here at what"
            " its checks say, or wait for its next ones."
        )
    return found


def alarms(view: View, now: float) -> tuple[Alarm, ...]:
    """What is wrong with the pair at now."""
    found = _silence(view, now) if not view.peer_alive(now) else [*_links(view, now), *_peer(view, now)]
    if now < view.double_at + view.rules.deadtime:
        found.append(
            Alarm(
                "double",
                f"Another router says that it is the {view.rules.node} too: it is not heeded. Correct primary"
                " or backup in lvs.cf, or take the copied machine off the network.",
                f"No other router says any more that it is the {view.rules.node}.",
                "error",
            )
        )
    return tuple(found)


def news(before: tuple[Alarm, ...], after: tuple[Alarm, ...]) -> list[Action]:
    """What to tell when alarms came or went."""
    was, now = {alarm.key for alarm in before}, {alarm.key for alarm in after}
    came = [Action(Verb.TELL, alarm.text, alarm.level) for alarm in after if alarm.key not in was]
    return came + [Action(Verb.TELL, alarm.over) for alarm in before if alarm.key not in now]


def _silence(view: View, now: float) -> list[Alarm]:
    """The other router is not heard on any link."""
    peer, over = view.peer, "The other router is heard again."
    if peer is not None and peer.gone:
        return [Alarm("gone", "The other router's pulse has ended: start it, nobody would take over.", over)]
    if not view.peer_silent(now):
        return []
    silent = f"No heartbeat of the other router on any link for {_seconds(now - view.quiet_from)}"
    if view.peer_holds(now) and view.role is Role.STANDBY:
        text = (
            f"{silent}, but its machine answers for a floating address: only the heartbeat is cut, or"
            " its pulse is dead and its kernel balances on. This router does not take over. Start pulse"
            " there, or let UDP of the heartbeat port pass; if that machine is lost, switch it off."
        )
        return [Alarm("held", text, "The other router's machine no longer holds this one back.", "error")]
    if view.peer_holds(now):
        text = (
            f"{silent}, and its machine answers for a floating address as well: stop pulse on one of the two."
        )
        return [Alarm("rival", text, "The other router's machine no longer answers as well.", "error")]
    text = f"{silent}: start that router, or mend the links; nobody would take over from this one."
    if view.role is Role.STANDBY:
        text = f"{silent}, and this router may not take over: nobody is active. Mend what makes it unfit."
    return [Alarm("silent", text, over, "error")]


def _links(view: View, now: float) -> list[Alarm]:
    """The other router is heard, but not on every link."""
    ears, found = dict(view.ears), []
    for link in sorted(view.rules.links):
        quiet_from = max(ears.get(link, view.listening_from), view.listening_from)
        if now >= quiet_from + view.deadtime:
            name = f"the {link.name.lower()} link"
            silent = f"No heartbeat on {name} for {_seconds(now - quiet_from)}"
            text = f"{silent}: check its cable, switch and firewall."
            found.append(Alarm(f"link {link.name}", text, f"Heartbeats on {name} again."))
    return found


def _peer(view: View, now: float) -> list[Alarm]:
    """What the other router says."""
    found: list[Alarm] = []
    peer, deadtime = view.peer, view.deadtime
    if peer is None:
        return found
    word, contact_at = peer.heartbeat, peer.contact_at
    if now >= max(contact_at, peer.deaf_from) + 3 * view.interval:
        text = "The other router does not hear this one: check the links and firewalls in that direction."
        found.append(Alarm("deaf", text, "The other router hears this one again."))
    if view.stage is Stage.ACTIVE and peer.active and not word.yielding:
        text = "Both routers are active: one of the two stands down by itself now; if not, stop its pulse."
        found.append(Alarm("both", text, "Only one router is active again.", "error"))
    idle = view.role is Role.STANDBY and not peer.active
    if idle and now >= max(contact_at, view.stage_at) + deadtime:
        text = "No router is active: mend what makes this one or the other unfit."
        found.append(Alarm("none", text, "A router is active again.", "error"))
    if view.role is Role.ACTIVE and not peer.active and not word.fit:
        text = "The other router is not fit to take over: its own status says why."
        found.append(Alarm("unfit", text, "The other router is fit again."))
    if now >= peer.differs_from + _DIFFERS and word.sha256 != view.own.sha256:
        text = (
            f"The two routers run different files (serial {view.own.serial} here, {word.serial} there):"
            " apply the revision to both."
        )
        found.append(Alarm("differs", text, "Both routers run the same lvs.cf."))
    return found


def _seconds(duration: float) -> str:
    return f"{duration:.0f} s" if duration >= 10 else f"{duration:.1f} s"
