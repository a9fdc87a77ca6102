"""The rows of the database: each cluster's candidate (`lvs.rows.candidate`), its revisions, their
deployments, what routers are given besides (`Errand`), who may do what (`lvs.rows.accounts`), and who did
(`lvs.rows.audit`)."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any, ClassVar, Never

from django.core.cache import cache
from django.db import models
from django.db.models import Q
from django.utils import timezone

from lvs.machines.cluster_key import ClusterKey
from lvs.machines.enrolment import Enrolment
from lvs.router.state import Node
from lvs.rows.accounts import Account, ClusterRole, FactorRule, Login, UserRole
from lvs.rows.alert_rows import Alert, AlertChoice, AlertMark, AlertMessage
from lvs.rows.audit import AuditEntry
from lvs.rows.candidate import (
    Cluster,
    GlobalSettings,
    MonitoringScript,
    RealServer,
    Redundancy,
    VirtualServer,
)

__all__ = [
    "Account",
    "Alert",
    "AlertChoice",
    "AlertMark",
    "AlertMessage",
    "AuditEntry",
    "Cluster",
    "ClusterKey",
    "ClusterRole",
    "Confirmation",
    "Deployment",
    "Enrolment",
    "Errand",
    "FactorRule",
    "GlobalSettings",
    "Login",
    "MonitoringScript",
    "RealServer",
    "Redundancy",
    "Revision",
    "Router",
    "UserRole",
    "VirtualServer",
]


NO_HASH = "unknown"  # of a router that was revoked before the database knew what it got in by


class Router(models.Model):
    """A machine that runs IPVS; its name is the name of its worker's queue."""

    cluster = models.ForeignKey(Cluster, models.CASCADE, related_name="routers")
    name = models.CharField(max_length=64, unique=True)
    node = models.CharField(max_length=8, choices=[(node.value, node.value) for node in Node])
    # The hash of an lvs.cf of no revision that the administrator has taken in: an Apply may replace it.
    taken_in = models.CharField(max_length=64, default="")
    # The hash of its password in Redis, which may forget its users (lvs.machines.readmitting); "": it has
    # none. And of the one that it had when it was revoked: a Redis that comes back with that one is put
    # right.
    redis_hash = models.CharField(max_length=64, default="", editable=False)
    revoked_hash = models.CharField(max_length=64, default="", editable=False)

    class Meta:
        ordering = ("name",)
        constraints = (models.UniqueConstraint(fields=("cluster", "node"), name="one_router_for_each_node"),)

    def __str__(self) -> str:
        return self.name

    def admit(self, redis_hash: str) -> None:
        """Notes the hash of the password by which it reaches Redis; one that was revoked stays so."""
        self.redis_hash = redis_hash
        self.save(update_fields=["redis_hash"])

    @property
    def is_shut_out(self) -> bool:
        """Whether it was revoked, and not enrolled since: no password counts."""
        return bool(self.revoked_hash) and not self.redis_hash

    def shut_out(self) -> None:
        """Notes that the password that it has counts no more, also where nobody knew its hash."""
        self.redis_hash, self.revoked_hash = "", self.redis_hash or self.revoked_hash or NO_HASH
        self.save(update_fields=["redis_hash", "revoked_hash"])

    def take_in(self, sha256: str) -> None:
        """Notes that the lvs.cf of that hash, though no revision, may be replaced."""
        self.taken_in = sha256
        self.save(update_fields=["taken_in"])


class FrozenQuerySet(models.QuerySet["Revision"]):
    """Revisions in bulk: read and created, nothing else."""

    def update(self, **kwargs: Any) -> Never:
        raise TypeError("A revision never changes: freeze a new one.")

    def delete(self) -> Never:
        raise TypeError("A revision is never deleted: it is the record of what was applied.")


class Revision(models.Model):
    """What was applied: a candidate as it was, who froze it, when and why. Immutable."""

    cluster = models.ForeignKey(Cluster, models.PROTECT, related_name="revisions")
    number = models.PositiveIntegerField()
    author = models.CharField(max_length=150)
    created_at = models.DateTimeField(default=timezone.now)
    message = models.TextField(default="", blank=True)
    document = models.JSONField()
    lvs_cf = models.TextField()
    # Seconds in which it must be confirmed, else each router puts back what was; null: it need not be.
    confirm_within = models.PositiveIntegerField(null=True)
    # Of the candidate when it was frozen: while it still is, nothing is pending. None: not known.
    edition = models.PositiveBigIntegerField(null=True)

    objects = FrozenQuerySet.as_manager()

    class Meta:
        ordering = ("-number",)
        constraints = (models.UniqueConstraint(fields=("cluster", "number"), name="revision_number_unique"),)

    def __str__(self) -> str:
        return f"revision {self.number}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise TypeError("A revision never changes: freeze a new one.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> Never:
        raise TypeError("A revision is never deleted: it is the record of what was applied.")

    @property
    def identity(self) -> str:
        """What tells it from every other revision that ever was, for what is kept in the cache."""
        return f"revision-{self.pk}-{self.created_at.timestamp()}"

    @property
    def sha256(self) -> str:
        """The hash by which a router says that it runs this text; the text is read for it once."""
        found: str | None = cache.get(self.identity)
        if found is None:
            found = hashlib.sha256(self.lvs_cf.encode()).hexdigest()
            cache.set(self.identity, found, timeout=None)
        return found

    @property
    def verdict(self) -> Confirmation | None:
        """What the administrator said of a revision that is to be confirmed; None: nothing yet."""
        return Confirmation.objects.filter(revision=self).first()

    def before(self) -> Revision | None:
        """The revision before this one; None for the first."""
        return self.cluster.revisions.filter(number__lt=self.number).order_by("-number").first()

    def before_on(self, router: Router) -> Revision | None:
        """The newest earlier revision that this router took and kept; None: there is none."""
        kept = Q(deployments__router=router, deployments__state=Deployment.State.APPLIED)
        return self.cluster.revisions.filter(kept, number__lt=self.number).order_by("-number").first()


class Confirmation(models.Model):
    """The administrator's verdict on a revision that waited for one. keep False: it was taken back."""

    revision = models.OneToOneField(Revision, models.PROTECT, related_name="confirmation")
    keep = models.BooleanField()
    by = models.CharField(max_length=150)
    at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.revision} {'confirmed' if self.keep else 'taken back'} by {self.by}"


class Sending(models.Model):
    """Something on its way to one router as a task, and what came of it.

    Each kind has `State`s of its own, QUEUED the first; `unfinished` names those that are not the end.
    """

    State: ClassVar[Any]
    state: Any

    task_id = models.CharField(max_length=255, default="")
    sent_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    changes = models.JSONField(default=list)
    error = models.TextField(default="")

    class Meta:
        abstract = True

    @property
    def is_unfinished(self) -> bool:
        """Whether something is still to come."""
        return self.state in self.State.unfinished()

    def queue_again(self) -> None:
        """Forgets a task that was lost on its way."""
        self.state, self.task_id, self.sent_at = self.State.QUEUED, "", None
        self.save()

    def wait_anew(self) -> None:
        """Begins the wait for the answer again."""
        self.sent_at = timezone.now()
        self.save(update_fields=["sent_at"])


class Deployment(Sending):
    """A revision on its way to one router, and what came of it (the states' story is in
    `lvs.sent.deploy`)."""

    class State(models.TextChoices):
        QUEUED = "queued"
        SENT = "sent"
        WAITING = "waiting"  # for the administrator's confirmation; the router has it
        CONFIRMING = "confirming"
        APPLIED = "applied"
        FAILED = "failed"
        PUTTING_BACK = "putting_back"
        ROLLED_BACK = "rolled_back"
        CANCELLED = "cancelled"
        SUPERSEDED = "superseded"

        @staticmethod
        def unfinished() -> tuple[Deployment.State, ...]:
            """The states in which something is still to come."""
            state = Deployment.State
            return (state.QUEUED, state.SENT, state.WAITING, state.CONFIRMING, state.PUTTING_BACK)

    revision = models.ForeignKey(Revision, models.PROTECT, related_name="deployments")
    router = models.ForeignKey(Router, models.PROTECT, related_name="deployments")
    position = models.PositiveSmallIntegerField()  # the order in which a revision's routers take it
    state = models.CharField(max_length=16, choices=State.choices, default=State.QUEUED)
    waits_until = models.DateTimeField(null=True)  # when the router puts it back unless it is confirmed
    refused = models.JSONField(default=list)
    seconds = models.FloatField(null=True)  # what the router needed
    was_applied = models.BooleanField(default=False)  # it was in the kernel before it was put back

    class Meta:
        ordering = ("position",)
        constraints = (
            models.UniqueConstraint(fields=("revision", "router"), name="one_deployment_for_each_router"),
        )

    def __str__(self) -> str:
        return f"{self.revision} on {self.router}: {self.state}"

    def send(self, state: str, task_id: str) -> None:
        """Notes that the router's queue has the task."""
        self.state, self.task_id, self.sent_at = self.State(state), task_id, timezone.now()
        self.save()

    def wait(self, until: datetime) -> None:
        """Notes that the router has it and waits for the confirmation until then."""
        self.state, self.waits_until = self.State.WAITING, until
        self.save()

    def end(self, state: str, error: str = "", *, was_applied: bool | None = None) -> None:
        """Notes the outcome."""
        self.state, self.error, self.ended_at = self.State(state), error, timezone.now()
        if was_applied is not None:
            self.was_applied = was_applied
        self.save()


class Errand(Sending):
    """The running revision on its way to one router once more, and what came of it (see
    `lvs.sent.errands`)."""

    class Kind(models.TextChoices):
        CATCH_UP = "catch_up"  # the router was away, or was installed anew
        KEYS = "keys"  # there is a new cluster key
        PUT_BACK = "put_back"  # what was changed outside is undone

    class State(models.TextChoices):
        QUEUED = "queued"
        SENT = "sent"
        DONE = "done"
        FAILED = "failed"
        DROPPED = "dropped"  # something newer does the same

        @staticmethod
        def unfinished() -> tuple[Errand.State, ...]:
            """The states in which something is still to come."""
            return (Errand.State.QUEUED, Errand.State.SENT)

    router = models.ForeignKey(Router, models.PROTECT, related_name="errands")
    revision = models.ForeignKey(Revision, models.PROTECT, related_name="errands")
    kind = models.CharField(max_length=16, choices=Kind.choices)
    state = models.CharField(max_length=16, choices=State.choices, default=State.QUEUED)
    by = models.CharField(max_length=150, default="")  # "": nobody asked for it
    reason = models.TextField(default="")
    back_from = models.BigIntegerField(null=True)  # the serial that it takes back on the router
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("-pk",)

    def __str__(self) -> str:
        return f"{self.kind} of {self.router} with {self.revision}: {self.state}"

    @classmethod
    def begin(
        cls,
        router: Router,
        revision: Revision,
        kind: Kind,
        *,
        reason: str,
        by: str = "",
        back_from: int | None = None,
    ) -> Errand:
        """An errand that waits for the manager's worker."""
        return cls.objects.create(
            router=router, revision=revision, kind=kind, reason=reason, by=by, back_from=back_from
        )

    def send(self, task_id: str) -> None:
        """Notes that the router's queue has the task."""
        self.state, self.task_id, self.sent_at = self.State.SENT, task_id, timezone.now()
        self.save()

    def end(self, state: str, error: str = "") -> None:
        """Notes the outcome."""
        self.state, self.error, self.ended_at = self.State(state), error, timezone.now()
        self.save()
