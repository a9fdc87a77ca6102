"""What an administrator may have the routers do besides Apply: confirm, switch, take in, put back, a new key,
and the hand on a real server.

What changes a router's lvs.cf is written down as a row and carried out by the manager's worker
(`lvs.sent.deploy`, `lvs.sent.errands`), so that it survives whatever dies. Switching the active role and the
orders for real servers are for now or never (`lvs.sent.asking`): they are asked of the router at once, wait a
few seconds at most, and a task that is not answered by then is taken back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import redis
from celery import Task
from django.db import models as db
from django.db import transaction
from django.utils import timezone

from lvs import dispatch, models, store, tasks
from lvs.config import document
from lvs.config.check import check
from lvs.config.diff import Difference, differences, text_difference
from lvs.config.model import LvsConfig
from lvs.config.reader import Reading
from lvs.errors import NotPossible, PulseUnreachable
from lvs.nanny.hand import Order
from lvs.reported import reports
from lvs.reported.answers import Answer
from lvs.sent.asking import Told, ask, ask_all, told_by, told_in

ORDER_SECONDS = 12.0  # the longest that a page waits for a router to switch
TEXT_SECONDS = 8.0  # and for the text of its lvs.cf
SERVER_SECONDS = 10.0  # for each router that is asked to take an order for real servers
EXPLAIN_SECONDS = 8.0  # for what the routers know of a real server
TEST_SECONDS = 25.0  # and for a check that they make meanwhile
EXAMINE_SECONDS = 10.0  # for a real server that a router examines, and another one before it
LOOK_SECONDS = 9.0  # for a router that looks at itself: its rule set, what stands against a configuration
MOST_SENTENCES = 4  # of what a router changed, before the rest is counted

State = models.Deployment.State


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A revision that each router puts back by itself unless it is confirmed within seconds_left."""

    revision: models.Revision
    seconds_left: float
    ends: datetime
    routers: tuple[models.Router, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an order, in a sentence."""

    ok: bool
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """What a router knows of a real server (ARCHITECTURE.md: `explain`), or why that is not known."""

    router: models.Router
    document: Mapping[str, Any] | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """The lvs.cf that a router really has.

    changes: what is different there from the running revision (or from nothing); against_candidate: what
    taking it in would change in the candidate; difference: of the texts, as (kind, line) with the kinds add,
    remove, place and same. problem: why there is no text.
    """

    router: models.Router
    text: str = ""
    sha256: str = ""
    reading: Reading | None = None
    changes: tuple[Difference, ...] = ()
    against_candidate: tuple[Difference, ...] = ()
    difference: tuple[tuple[str, str], ...] = ()
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyState:
    """The newest cluster key, without the key. routers: whether each has it; None: not known."""

    id: str
    created_at: datetime
    routers: tuple[tuple[str, bool | None], ...]


def waiting(cluster: models.Cluster) -> Waiting | None:
    """The revision that waits for its confirmation, None: none does."""
    if not dispatch.is_applying(cluster):
        return None
    rows = list(
        models.Deployment.objects.filter(
            revision__cluster=cluster, state=State.WAITING, revision__confirmation__isnull=True
        )
        .select_related("router", "revision")
        .defer("revision__document", "revision__lvs_cf")
        .order_by("-revision__number", "position")
    )
    if not rows:
        return None
    rows = [row for row in rows if row.revision_id == rows[0].revision_id]
    ends = min(row.waits_until for row in rows if row.waits_until is not None)
    return Waiting(
        revision=rows[0].revision,
        seconds_left=max(0.0, (ends - timezone.now()).total_seconds()),
        ends=ends,
        routers=tuple(row.router for row in rows),
    )


def confirm(revision: models.Revision, user: str) -> None:
    """Writes down that the revision stays; the manager's worker tells each router."""
    judge(revision, user, keep=True)


def take_back_now(revision: models.Revision, user: str) -> None:
    """Writes down that the revision goes; the manager's worker puts back what was, on each router."""
    judge(revision, user, keep=False)


@transaction.atomic
def judge(revision: models.Revision, user: str, *, keep: bool) -> None:
    """The administrator's verdict on a revision that waits for one; NotPossible when it does not."""
    models.Cluster.objects.select_for_update().get(pk=revision.cluster_id)
    verdict = revision.verdict
    if verdict is not None:
        what = "confirmed" if verdict.keep else "taken back"
        raise NotPossible(f"Revision {revision.number} was {what} by {verdict.by} already.")
    states = {one.state for one in revision.deployments.all()}
    if revision.confirm_within is None or State.WAITING not in states:
        raise NotPossible(
            f"Revision {revision.number} does not wait for a confirmation (any more): its page says what "
            "came of it."
        )
    if keep and State.ROLLED_BACK in states:
        raise NotPossible(
            f"It is too late to confirm revision {revision.number}: a router has put it back. The candidate "
            "still has the changes; apply them again."
        )
    models.Confirmation.objects.create(revision=revision, keep=keep, by=user)


def hand_over(router: models.Router, anyway: bool = False) -> Outcome:
    """Switch now: the active router gives its role, the standby takes it. anyway: also where they differ."""
    return carried_out(router, tasks.hand_over, [anyway])


def take_over_by_force(router: models.Router) -> Outcome:
    """Makes the router active whatever the other says."""
    return carried_out(router, tasks.take_over_by_force, [])


def carried_out(router: models.Router, task: Task, arguments: Sequence[object]) -> Outcome:
    """What the router says to an order that is for now or never."""
    try:
        answer = ask(router, task, arguments, ORDER_SECONDS)
    except NotPossible as error:
        return Outcome(False, str(error))
    if not answer["ok"]:
        return Outcome(False, f"{router.name} did not do it: {answer['error']['message']}")
    return Outcome(True, f"{router.name}: {answer['result']['message']}")


def server(
    cluster: models.Cluster,
    targets: Sequence[tuple[str, str]],
    order: Order,
    by: str,
    reason: str = "",
    until: float | None = None,
) -> Outcome:
    """The administrator's hand on real servers, named by virtual and real server.

    The active router is asked first, any other one when that does not answer; they tell each other. by: the
    user's name. until: when it ends, seconds since the epoch; None: not by itself.
    """
    arguments = [[list(target) for target in targets], order.value, by, reason, until]
    routers = dispatch.standby_first(cluster)[::-1]
    unheard: list[str] = []
    for router in routers:
        try:
            answer = ask(router, tasks.server, arguments, SERVER_SECONDS)
        except NotPossible as error:
            unheard.append(str(error))
            continue
        if answer["ok"]:
            return Outcome(True, told(router, answer, routers, unheard))
        if answer["error"]["kind"] != PulseUnreachable.__name__:
            return Outcome(False, f"{router.name} did not do it: {answer['error']['message']}")
        unheard.append(f"{router.name}: {answer['error']['message']}")
    return Outcome(False, f"Nothing was changed. {' '.join(unheard) or 'This cluster has no router.'}")


def told(
    router: models.Router, answer: Answer, routers: Sequence[models.Router], unheard: Sequence[str]
) -> str:
    """What the router changed, and which other one has not heard of it yet."""
    changed = list(answer["result"]["changed"])
    said = "; ".join(changed[:MOST_SENTENCES]) or "it was so already"
    if len(changed) > MOST_SENTENCES:
        said += f"; and {len(changed) - MOST_SENTENCES} more"
    sentences = [f"{router.name}: {said}.", *unheard]
    for other in routers:
        if other.pk == router.pk:
            continue
        brief = brief_of(other)
        if brief is None or not brief.is_current:
            sentences.append(
                f"{other.name} could not be told now: {router.name} tells it as soon as they hear each other."
            )
    return " ".join(sentences)


def explain(router: models.Router, virtual_server: str, real_server: str, test: bool = False) -> Explained:
    """What one router knows of a real server. test: it makes the check now, and says all that passed."""
    return explain_on([router], virtual_server, real_server, test)[0]


def explain_on(
    routers: Sequence[models.Router], virtual_server: str, real_server: str, test: bool = False
) -> tuple[Explained, ...]:
    """The same of several routers, asked at once."""
    limit = TEST_SECONDS if test else EXPLAIN_SECONDS
    said = ask_all(routers, tasks.explain, [virtual_server, real_server, test], limit)
    return tuple(explained(router, said[router.name]) for router in routers)


def explained(router: models.Router, said: Answer | NotPossible) -> Explained:
    """A router's answer as a page shows it."""
    told = told_in(router, said)
    return Explained(router=router, document=told.document, problem=told.problem)


def try_check(
    routers: Sequence[models.Router], config: LvsConfig, virtual_server: str, real_server: str
) -> tuple[Told, ...]:
    """The check that config, which need not be applied, has for a real server, made once by each of them."""
    arguments = [document.to_document(config), virtual_server, real_server]
    return told_by(routers, tasks.try_check, arguments, TEST_SECONDS)


def examine(router: models.Router, virtual_server: str, real_server: str) -> Told:
    """*Check this real server* from one router: remarks, and what was tried."""
    return told_by([router], tasks.examine, [virtual_server, real_server], EXAMINE_SECONDS)[0]


def rules(router: models.Router) -> Told:
    """The rule set of a router, with what it counted."""
    return told_by([router], tasks.rules, [], LOOK_SECONDS)[0]


def preflight(routers: Sequence[models.Router], config: LvsConfig | None = None) -> tuple[Told, ...]:
    """What stands on each of them against config, or against what is in force there (None)."""
    arguments = [] if config is None else [document.to_document(config)]
    return told_by(routers, tasks.preflight, arguments, LOOK_SECONDS)


def outside(router: models.Router) -> Outside:
    """The text that the router runs now, whatever it is, beside the running revision and the candidate."""
    try:
        answer = ask(router, tasks.running, [], TEXT_SECONDS)
    except NotPossible as error:
        return Outside(router=router, problem=str(error))
    if not answer["ok"]:
        return Outside(router=router, problem=f"{router.name}: {answer['error']['message']}")
    text = str(answer["result"]["lvs_cf"] or "")
    reading = check(text)
    running = router.cluster.standing_revision()
    old = document.from_document(running.document) if running else store.empty()
    return Outside(
        router=router,
        text=text,
        sha256=str(answer["result"]["sha256"]),
        reading=reading,
        changes=differences(old, reading.config),
        against_candidate=differences(store.load(router.cluster), reading.config),
        difference=text_difference(running.lvs_cf if running else "", text),
    )


def take_in(
    router: models.Router,
    sha256: str,
    edition: str | None = None,
    note: Callable[[Sequence[Difference]], object] | None = None,
) -> None:
    """Makes the router's lvs.cf, which must still have this hash, the candidate; it may be replaced then.

    edition: that of the candidate which it was compared with, as the page sends it; None: whichever. note: is
    told in the same transaction what that changes in the candidate.
    """
    found = outside(router)
    if found.problem:
        raise NotPossible(found.problem)
    if found.sha256 != sha256 or found.reading is None:
        raise NotPossible(f"The lvs.cf of {router.name} is another one by now: look at it again.")
    faults = store.errors_of(found.reading.config)
    if not found.reading.ok or faults:
        first = faults[0] if faults else found.reading.problems[0]
        raise NotPossible(f"It has errors, so it cannot be taken in: {first}")
    with transaction.atomic():
        cluster = models.Cluster.objects.select_for_update().get(pk=router.cluster_id)
        if edition is not None and edition != str(cluster.edition):
            raise NotPossible("Somebody changed the configuration after this page was shown: look again.")
        changes = differences(store.load(cluster), found.reading.config)
        store.save(cluster, found.reading.config)
        router.take_in(sha256)
        if note is not None:
            note(changes)


def put_back(router: models.Router, user: str, note: Callable[[], object] | None = None) -> None:
    """Gives the running revision to the router again; without one, lets the next Apply replace its text.

    note: is called in the same transaction.
    """
    brief = brief_of(router)
    if brief is None or not brief.is_current or brief.sha256 is None:
        raise NotPossible(f"{router.name} does not answer: it can be put back when it is heard again.")
    with transaction.atomic():
        cluster = models.Cluster.objects.select_for_update().get(pk=router.cluster_id)
        if note is not None:
            note()
        running = cluster.standing_revision()
        if running is None:
            router.take_in(brief.sha256)
            return
        kind = models.Errand.Kind.PUT_BACK
        models.Errand.begin(
            router, running, kind, by=user, reason="its lvs.cf was changed outside", back_from=brief.serial
        )


def brief_of(router: models.Router) -> reports.Brief | None:
    """The few words of the router's last report; None: there is none, or Redis is away."""
    try:
        return reports.briefs(dispatch.broker(), [router.name]).get(router.name)
    except redis.RedisError:
        return None


def key(cluster: models.Cluster) -> KeyState:
    """What may be shown of the cluster's key."""
    newest = cluster.keys.first() or cluster.make_key()
    routers = list(cluster.routers.order_by("name"))
    try:
        briefs = reports.briefs(dispatch.broker(), [router.name for router in routers])
    except redis.RedisError:
        briefs = {}
    has: list[tuple[str, bool | None]] = []
    for router in routers:
        brief = briefs.get(router.name)
        known = brief is not None and brief.is_current and brief.key is not None
        has.append((router.name, brief.key == newest.key_id if brief is not None and known else None))
    return KeyState(id=newest.key_id, created_at=newest.created_at, routers=tuple(has))


@transaction.atomic
def rotate_key(cluster: models.Cluster, user: str) -> None:
    """Makes a new key and sends it to each router with the running revision.

    NotPossible while a router has not got the last one: a router knows two keys, and one that misses two
    rotations could not be understood any more.
    """
    models.Cluster.objects.select_for_update().get(pk=cluster.pk)
    kind = models.Errand.Kind.KEYS
    late = [name for name, has_newest in key(cluster).routers if has_newest is False]
    late += (
        errands(cluster)
        .filter(kind=kind, state__in=models.Errand.State.unfinished())
        .values_list("router__name", flat=True)
    )
    if late:
        names = " and ".join(sorted(set(late)))
        raise NotPossible(f"{names} has not got the last key yet. Wait until it has, then make a new one.")
    made = cluster.make_key()
    running = cluster.standing_revision()
    if running is not None:
        for router in cluster.routers.all():
            models.Errand.begin(router, running, kind, by=user, reason=f"new cluster key {made.key_id}")


def errands(cluster: models.Cluster) -> db.QuerySet[models.Errand]:
    """What the routers were given besides new revisions, newest first."""
    return models.Errand.objects.filter(router__cluster=cluster).select_related("router").order_by("-pk")
