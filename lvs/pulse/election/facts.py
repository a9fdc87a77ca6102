"""The words of the transition table, as they are for one router at a moment. Pure."""

from __future__ import annotations

from lvs.pulse.election.alarms import refusals
from lvs.pulse.election.table import Facts, Order
from lvs.pulse.election.view import QUIET_PROBES, View
from lvs.pulse.election.witness import SOME
from lvs.pulse.heartbeat import Heartbeat
from lvs.router.floating import Node


def facts(view: View, now: float) -> Facts:
    """What the transition table asks, answered for now."""
    rules, fitness, peer = view.rules, view.own.fitness, view.peer
    alive, silent, holds = view.peer_alive(now), view.peer_silent(now), view.peer_holds(now)
    primary = rules.node is Node.PRIMARY
    about_me: dict[str, bool] = {
        "primary": primary,
        "fit": view.fit(now),
        "cut_off": fitness.cut_off,
        "gateway_lost": fitness.gateway_lost,
        "forced": view.forced,
        "late": view.late(now),
        "ready": fitness.is_fit and not view.leaving and now >= view.settled_at,
        "stopping": view.order is Order.STOP,
        "patient": now >= view.patient_at,
        "expired": now >= view.stage_at + rules.patience,
        "silent": silent,
        "witnessed": holds,
        "asking": rules.witness and view.questions.lost(view.quiet_from) < SOME,
        "rival": holds and silent and _rival_stays(view),
    }
    if peer is None or not alive:
        return Facts(**about_me, gone=peer is not None and peer.gone)
    word = peer.heartbeat
    standby = not peer.active and not word.leaving
    idle_at = max(peer.idle_from, view.stage_at) + 1.5 * view.deadtime
    interval = view.interval
    deaf_at = max(peer.contact_at + 3 * interval, peer.deaf_from + interval)
    return Facts(
        **about_me,
        active=peer.active,
        standby=standby,
        fit_there=word.fit,
        yielding=peer.active and word.yielding,
        up=peer.up,
        deaf=not word.hears and now >= deaf_at,
        taker=peer.takes,
        idle=standby and word.fit and now >= idle_at,
        asked=standby and word.asks and not refusals(view, now),
        failback=not primary and not view.keeps and _failback_due(view, now),
        outranked=_outranked(view, now, word),
    )


def _rival_stays(view: View) -> bool:
    """A rival that is not heard has answered; to a primary, once the backup could have stood down."""
    wait = view.rules.patience + 2 * max(view.rules.probe_interval, QUIET_PROBES)
    until = view.rival_from + (wait if view.rules.node is Node.PRIMARY else 0.0)
    return view.rival_from > view.since and view.questions.answered_at >= until


def _outranked(view: View, now: float, word: Heartbeat) -> bool:
    if view.forced and word.forced and now < view.stage_at + 3 * view.interval:
        return False  # the other was forced before, and is to hear first that this one is now
    theirs = (word.forced, not word.released, word.fit, word.node is Node.PRIMARY)
    return theirs > (view.insists(now), view.up, view.fit(now), view.rules.node is Node.PRIMARY)


def _failback_due(view: View, now: float) -> bool:
    peer, wait = view.peer, view.rules.failback
    if peer is None or wait <= 0:
        return False
    return peer.heartbeat.sha256 == view.own.sha256 and now >= max(peer.ready_from, view.since) + wait
