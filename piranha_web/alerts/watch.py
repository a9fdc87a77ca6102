"""What the manager sees that somebody should be told of: the conditions of this moment, and what happened.

From the routers' last reports, the database and this machine; nothing is asked of a router. Each part that
cannot be looked at makes its scope unknown, and a condition of its own where that is the trouble.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.utils import timezone

from lvs import dispatch, models
from lvs.dispatch import ClusterState, RouterState, duration
from lvs.reported.standing import UNSERVED, Standing
from lvs.reported.witness import BOTH_ACTIVE, HEART, NONE_ACTIVE_KIND, STRANGER
from lvs.rows.audit import harmless
from piranha_web.alerts.rules import Condition, Seen
from piranha_web.databases.room import must_take_changes
from piranha_web.tls.certificates import TlsRefused, ending, usable
from piranha_web.tls.serving import Serving

log = logging.getLogger("piranha.alerts")

CLOCK_SECONDS = 5.0  # that a router's clock may differ, the time of its report included
LONGEST_KEY, LONGEST_SENTENCE = 400, 600
FORGOTTEN = 86_400.0  # seconds after which who has set a router aside may have forgotten it
MOST_NAMES = 5  # of real servers in one sentence
MOST_EVENTS = 50  # of one kind at one look: a flood is told of as such
ENDS = {
    models.Deployment.State.FAILED: "was refused",
    models.Deployment.State.ROLLED_BACK: "went back: the revision before it is in force again",
}


@dataclass(slots=True)
class Look:
    """What is gathered."""

    conditions: list[Condition] = field(default_factory=list)
    events: list[Condition] = field(default_factory=list)
    unknown: set[str] = field(default_factory=set)

    @property
    def seen(self) -> Seen:
        """For the rules, with nothing in it that a router could do to a mailbox, a chat or a terminal."""
        return Seen(
            tuple(map(_plain, self.conditions)), tuple(map(_plain, self.events)), frozenset(self.unknown)
        )


def _plain(one: Condition) -> Condition:
    """Routers wrote some of its words. Its key is as long as the database takes."""
    return replace(one, key=one.key[:LONGEST_KEY], sentence=harmless(one.sentence, LONGEST_SENTENCE))


def look(now: float) -> Seen:
    """Everything, as of now. DatabaseError: the database does not answer, or takes no change."""
    must_take_changes(connection)
    found = Look()
    _look_at_redis(found)
    for cluster in models.Cluster.objects.order_by("name"):
        _look_at_cluster(found, cluster, now)
    _look_at_deployments(found)
    _look_at_locks(found)
    _look_at_certificate(found, now)
    return found.seen


def without_database(error: DatabaseError) -> Seen:
    """What is known when the database does not answer."""
    sentence = f"The database does not answer the manager's worker ({error}): nothing can be applied."
    return Seen(conditions=(Condition("database", "database", sentence),))


def _look_at_redis(found: Look) -> None:
    try:
        dispatch.broker().ping()
    except redis.RedisError as error:
        sentence = (
            f"Redis does not answer ({error}): the routers go on as they are, nothing new is known of them, "
            "and nothing can be applied."
        )
        found.conditions.append(Condition("redis", "redis", sentence))


def _look_at_cluster(found: Look, cluster: models.Cluster, now: float) -> None:
    name = cluster.name
    if not cluster.revisions.exists():  # nothing is in service: it is still being set up
        return
    state = dispatch.state(cluster, look=False)
    if state.problem:
        found.unknown |= {f"pair {name}", f"servers {name}"}
        found.unknown |= {f"router {one.router.name}" for one in state.routers}
        return
    for router in state.routers:
        _look_at_router(found, cluster, router, now)
    for alarm in state.alarms:
        if alarm.kind in (BOTH_ACTIVE, NONE_ACTIVE_KIND, STRANGER, HEART):
            key = f"{alarm.kind} {name}" + (f" {alarm.sentence[:200]}" if alarm.kind == STRANGER else "")
            sentence = _of(name, alarm.sentence)
            found.conditions.append(Condition(alarm.kind, key, sentence, name, f"pair {name}"))
    if not all(one.is_current for one in state.routers):
        found.unknown.add(f"pair {name}")
    _look_at_roles(found, cluster, state)
    _look_at_servers(found, cluster, state)


def _look_at_router(found: Look, cluster: models.Cluster, router: RouterState, now: float) -> None:
    name = router.router.name

    def add(kind: str, sentence: str, what: str = "") -> None:
        key = " ".join(filter(None, [kind, name, what]))
        found.conditions.append(
            Condition(kind, key, _of(cluster.name, sentence), cluster.name, f"router {name}")
        )

    pulse = router.pulse
    if pulse is None or not router.is_current:
        found.unknown.add(f"router {name}")
        if pulse is not None and is_known_aside(pulse, router.age or 0.0):
            return  # its machine is off, for the work that it was set aside for
        sentence = f"{name}: {router.sentence}. It may serve well nevertheless: look at pulse and its worker."
        condition = Condition(
            "router_silent", f"router_silent {name}", _of(cluster.name, sentence), cluster.name
        )
        found.conditions.append(condition)
        return
    if router.is_outside:
        add("drift", f"{name}: {router.sentence}.")
    apart = now - (router.age or 0.0) - float(pulse["now"])
    if abs(apart) > CLOCK_SECONDS:
        where = "behind" if apart > 0 else "ahead of"
        add(
            "clock",
            f"The clock of {name} is {duration(abs(apart))} {where} the manager's: set NTP up on both.",
        )
    part = pulse.get("redundancy")
    if not part:
        return
    if len(part["unfit"]) > is_known_aside(pulse):  # of which it is one reason
        add("router_unfit", f"{name} is not fit to serve: {'; '.join(part['unfit'])}.")
    for link in part["links"]:
        if not link["alive"]:
            way = f"{link['own']} to {link['peer']}"
            add("link_lost", f"{name} hears nothing by the {link['name']} link ({way}).", link["name"])


def is_known_aside(pulse: Mapping[str, Any], age: float = 0.0) -> bool:
    """Whether somebody has set a router aside, and knows it: no longer than FORGOTTEN, or than was said then.

    age: seconds since it has reported.
    """
    aside, now = pulse.get("aside"), pulse["now"] + age
    if not aside:
        return False
    until = aside["at"] + FORGOTTEN if aside["until"] is None else aside["until"]
    return bool(now < until)


def _look_at_roles(found: Look, cluster: models.Cluster, state: ClusterState) -> None:
    """Whether another router has become the active one since the last look."""
    active = [one for one in state.routers if one.is_current and one.role == "active"]
    if len(active) != 1:
        return
    name, mark = active[0].router.name, f"active {cluster.pk}"
    before = mark_of(mark)
    if before == name:
        return
    set_mark(mark, name)
    if before:
        part = (active[0].pulse or {}).get("redundancy")
        why = f" ({part['reason']})" if part and part["reason"] else ""
        sentence = f"{name} is active now, in the place of {before}{why}."
        found.events.append(
            Condition("failover", f"failover {cluster.pk}", _of(cluster.name, sentence), cluster.name)
        )


def _look_at_servers(found: Look, cluster: models.Cluster, state: ClusterState) -> None:
    """What the active router says of virtual and real servers."""
    scope = f"servers {cluster.name}"
    speaker = dispatch.speaking(state)
    standings = dispatch.states(cluster, state) if speaker else {}
    if speaker is None or not standings:
        found.unknown.add(scope)
        return
    out = names_out(speaker)
    for name, standing in standings.items():
        if standing.state in UNSERVED:
            kind = "service_down"
            sorry = (
                "only the sorry server answers" if standing.state == "on_sorry" else "clients get no answer"
            )
            sentence = f"No real server serves {name}: {sorry}."
        elif failed(standing):
            kind = "servers_out"
            sentence = f"{failed(standing)} of {standing.real_servers} real servers of {name} are out."
        else:
            continue
        if name in out:
            sentence = f"{sentence[:-1]} ({out[name]})."
        key = f"{kind} {cluster.pk} {name}"
        found.conditions.append(Condition(kind, key, _of(cluster.name, sentence), cluster.name, scope))


def failed(standing: Standing) -> int:
    """How many real servers are out by their checks, kept in by protection or not."""
    return standing.counts.get("failed", 0) + standing.counts.get("protected", 0)


def names_out(speaker: RouterState) -> dict[str, str]:
    """By virtual server which are out and why, as far as the report's summary tells of them."""
    found: dict[str, str] = {}
    for part in (speaker.pulse or {}).get("virtual_servers", ()):
        out = [one for one in part["real_servers"] if one["health"] == "failed" and not one.get("hand")]
        if out:
            words = [f"{one['name']}: {one['reason']}" for one in out[:MOST_NAMES]]
            more = [f"{len(out) - MOST_NAMES} more"] if len(out) > MOST_NAMES else []
            found[part["name"]] = "; ".join([*words, *more])
    return found


def _look_at_deployments(found: Look) -> None:
    """Revisions that ended badly since the last look."""
    # Not what ended tomorrow, by a clock that was set back since: it would be told at every look.
    ended = models.Deployment.objects.filter(ended_at__lte=timezone.now()).select_related(
        "revision__cluster", "router"
    )
    since = _since("deployments")
    newest = ended.order_by("-ended_at").values_list("ended_at", flat=True).first()
    if newest is not None and (since is None or newest > since):
        set_mark("deployments", str(newest.timestamp()))
    if since is None:
        return
    for one in ended.filter(ended_at__gt=since, state__in=ENDS).order_by("ended_at")[:MOST_EVENTS]:
        cluster = one.revision.cluster.name
        why = f": {one.error}" if one.error else ""
        sentence = f"Revision {one.revision.number} on {one.router.name} {ENDS[_state(one)]}{why}"
        key = f"apply_failed {one.pk}"
        found.events.append(Condition("apply_failed", key, _of(cluster, sentence), cluster))


def _state(one: models.Deployment) -> models.Deployment.State:
    return models.Deployment.State(one.state)


def _look_at_locks(found: Look) -> None:
    """Who was locked out since the last look."""
    last = mark_of("locks")
    rows = models.AuditEntry.objects.filter(action=models.AuditEntry.Action.LOCK).order_by("pk")
    newest = rows.values_list("pk", flat=True).last() or 0
    if not last.isdecimal():
        set_mark("locks", str(newest))
        return
    for one in rows.filter(pk__gt=int(last))[:MOST_EVENTS]:
        sentence = f"{one.text} (from {one.address or 'an unknown address'})"
        found.events.append(Condition("lockout", f"lockout {one.pk}", sentence))
    if newest > int(last):
        set_mark("locks", str(newest))


def _look_at_certificate(found: Look, now: float) -> None:
    """The certificate that the web server of this machine shows."""
    at = datetime.fromtimestamp(now, UTC)
    try:
        serving = Serving.current(settings.VAR, os.environ)
        if serving.is_own and not serving.files[0].exists():  # the web server makes it when it starts
            return
        sentence = ending(usable(*serving.files, at), at) if serving.tls else ""
    except TlsRefused as error:
        sentence = str(error)
    except OSError as error:
        log.debug("the certificate cannot be looked at: %s", error)
        found.unknown.add("certificate")
        return
    if sentence:
        found.conditions.append(Condition("certificate", "certificate", sentence, scope="certificate"))


# ---- how far it was looked


def mark_of(name: str) -> str:
    """What was noted; "": nothing yet."""
    return models.AlertMark.objects.filter(name=name).values_list("value", flat=True).first() or ""


def set_mark(name: str, value: str) -> None:
    """Notes it."""
    models.AlertMark.objects.update_or_create(name=name, defaults={"value": value})


def _since(name: str) -> datetime | None:
    """The moment that was noted; None: none yet, so that nothing of before is told."""
    text = mark_of(name)
    if text:
        return min(datetime.fromtimestamp(float(text), UTC), timezone.now())
    set_mark(name, str(time.time()))
    return None


def _of(cluster: str, sentence: str) -> str:
    """The sentence with the cluster in front, so that it says all by itself."""
    return f"{cluster}: {sentence}"
