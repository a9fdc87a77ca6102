"""The rows of the candidate: what the panels write, a table for each block of lvs.cf.

The columns have the attribute names of `lvs.config.model`; `lvs.store` turns all of them into an LvsConfig
and back. Every change of a row raises its cluster's `edition`, so that what was computed from the candidate
can be kept for as long as the edition stays the same. Everybody else says `models.VirtualServer`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.db import models, transaction
from django.db.models import F, Max, Q

from lvs.config import model as values
from lvs.machines.cluster_key import RING, ClusterKey
from lvs.router.state import Node
from lvs.rows.columns import choices, from_columns, packed, to_columns
from lvs.rows.glance import once
from lvs.rows.revisions import standing_of
from lvs.rows.versions import new_version

if TYPE_CHECKING:
    from lvs.models import Revision, Router


def any_success() -> list[list[int]]:
    """The default of HealthCheck.http_status as a column has it."""
    packed_ranges: list[list[int]] = packed(values.ANY_SUCCESS)
    return packed_ranges


class Cluster(models.Model):
    """One LVS pair, or a single router: the owner of a candidate configuration."""

    name = models.CharField(max_length=64, unique=True)
    edition = models.PositiveBigIntegerField(default=0)
    comments = models.JSONField(default=list)
    failover_services = models.JSONField(
        default=list
    )  # blocks as lvs.config.document has them; kept, never run

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    @classmethod
    @transaction.atomic
    def begin(cls, name: str) -> Self:
        """A new cluster with nothing in its candidate."""
        cluster = cls.objects.create(name=name)
        GlobalSettings.objects.create(cluster=cluster)
        Redundancy.objects.create(cluster=cluster)
        ClusterKey.objects.create(cluster=cluster)
        return cluster

    def key_ring(self) -> list[str]:
        """The keys that its routers are to have, newest first, in hexadecimal digits: never to be shown."""
        return list(self.keys.values_list("hex", flat=True)[:RING])

    @transaction.atomic
    def make_key(self) -> ClusterKey:
        """A new newest key; what falls out of the ring is forgotten."""
        made = ClusterKey.objects.create(cluster=self)
        kept = self.keys.values_list("pk", flat=True)[:RING]
        self.keys.exclude(pk__in=list(kept)).delete()
        return made

    def record_change(self, virtual_server: int | None = None) -> None:
        """Notes that the candidate is not what it was. virtual_server: the one whose rows changed."""
        if virtual_server is not None:
            VirtualServer.objects.filter(pk=virtual_server).update(version=new_version())
        Cluster.objects.filter(pk=self.pk).update(edition=F("edition") + 1)
        self.refresh_from_db(fields=["edition"])

    def newest_revision(self) -> Revision | None:
        """What was applied last; None: nothing yet."""
        return self.revisions.order_by("-number").first()

    def standing_revision(self) -> Revision | None:
        """What the routers were given last and did not refuse; pending changes are counted from here."""
        return once(("standing", self.pk), lambda: standing_of(self.revisions.all()))

    def routers_in_order(self) -> list[Router]:
        """The routers in the order in which they take a revision: the backup first."""
        return sorted(self.routers.all(), key=lambda router: router.node == Node.PRIMARY)

    def next_position(self) -> int:
        """Where a new virtual server stands in the file: below all others."""
        return next_position(self.virtual_servers.all())


def next_position(rows: models.QuerySet[Any]) -> int:
    """The first free position below all rows."""
    last = rows.aggregate(last=Max("position"))["last"]
    return 0 if last is None else int(last) + 1


class CandidateRow(models.Model):
    """A part of a candidate: saving or deleting it raises the edition of its cluster."""

    class Meta:
        abstract = True

    @transaction.atomic
    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)
        self.owner().record_change(self.block())

    @transaction.atomic
    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        owner, block = self.owner(), self.block()
        deleted = super().delete(*args, **kwargs)
        owner.record_change(block)
        return deleted

    def block(self) -> int | None:
        """The virtual server that it is a part of; None: of none."""
        found: int | None = getattr(self, "virtual_server_id", None)
        return found

    def owner(self) -> Cluster:
        """The cluster whose candidate this row belongs to."""
        raise NotImplementedError

    def take_columns(self, columns: dict[str, Any]) -> None:
        """Sets and saves columns."""
        for name, column in columns.items():
            setattr(self, name, column)
        self.save()


class GlobalSettings(CandidateRow):
    """`lvs.config.model.GlobalSettings` of a cluster."""

    cluster = models.OneToOneField(Cluster, models.CASCADE, primary_key=True, related_name="global_settings")
    serial_no = models.BigIntegerField(default=0)
    service = models.CharField(max_length=8, choices=choices(values.Service), default="lvs")
    primary = models.CharField(max_length=64, null=True)
    primary_private = models.CharField(max_length=64, null=True)
    forwarding = models.CharField(max_length=8, choices=choices(values.Forwarding), default="nat")
    nat_router = models.CharField(max_length=64, null=True)
    nat_router_device = models.CharField(max_length=64, default="")
    nat_mask = models.SmallIntegerField(null=True)
    nat_router6 = models.CharField(max_length=64, null=True)
    nat_router6_device = models.CharField(max_length=64, default="")
    tcp_timeout = models.BigIntegerField(default=0)
    tcpfin_timeout = models.BigIntegerField(default=0)
    udp_timeout = models.BigIntegerField(default=0)
    active_cmd = models.TextField(null=True)
    inactive_cmd = models.TextField(null=True)
    hard_shutdown = models.BooleanField(default=True)
    rsh_command = models.TextField(null=True)
    primary_shared = models.TextField(null=True)
    backup_shared = models.TextField(null=True)
    reservation_conflict_action = models.TextField(null=True)
    debug_level = models.TextField(null=True)
    ipvsadm = models.TextField(null=True)
    sync = models.BooleanField(null=True)

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=Q(nat_router__isnull=True) | ~Q(nat_router_device=""), name="nat_router_has_device"
            ),
            models.CheckConstraint(
                condition=Q(nat_router6__isnull=True) | ~Q(nat_router6_device=""),
                name="nat_router6_has_device",
            ),
        )

    def __str__(self) -> str:
        return f"global settings of {self.cluster}"

    def owner(self) -> Cluster:
        return self.cluster

    def value(self) -> values.GlobalSettings:
        """What the row says, as a value."""
        return from_columns(values.GlobalSettings, self)

    def take(self, value: values.GlobalSettings) -> None:
        """Makes the row say value."""
        self.take_columns(to_columns(value))


class Redundancy(CandidateRow):
    """`lvs.config.model.Redundancy` of a cluster."""

    cluster = models.OneToOneField(Cluster, models.CASCADE, primary_key=True, related_name="redundancy")
    backup_active = models.BooleanField(default=False)
    backup = models.CharField(max_length=64, null=True)
    backup_private = models.CharField(max_length=64, null=True)
    heartbeat = models.BooleanField(default=True)
    heartbeat_port = models.IntegerField(default=539)
    keepalive = models.FloatField(default=2)
    deadtime = models.FloatField(default=5)
    monitor_links = models.BooleanField(default=False)
    syncdaemon = models.BooleanField(default=False)
    syncd_iface = models.CharField(max_length=255, default="eth0")
    syncd_id = models.IntegerField(default=0)
    syncd_maxlen = models.IntegerField(default=0)
    syncd_group = models.CharField(max_length=64, null=True)
    syncd_port = models.IntegerField(default=0)
    syncd_ttl = models.IntegerField(default=0)
    failback = models.FloatField(default=0)
    check_gateway = models.CharField(max_length=64, null=True)

    class Meta:
        verbose_name_plural = "redundancies"

    def __str__(self) -> str:
        return f"redundancy of {self.cluster}"

    def owner(self) -> Cluster:
        return self.cluster

    def value(self) -> values.Redundancy:
        """What the row says, as a value."""
        return from_columns(values.Redundancy, self)

    def take(self, value: values.Redundancy) -> None:
        """Makes the row say value."""
        self.take_columns(to_columns(value))


class VirtualServer(CandidateRow):
    """`lvs.config.model.VirtualServer`, except for the check and the real servers (rows of their own)."""

    cluster = models.ForeignKey(Cluster, models.CASCADE, related_name="virtual_servers")
    position = models.IntegerField()
    name = models.CharField(max_length=255)
    active = models.BooleanField(default=False)
    address = models.CharField(max_length=64, null=True)
    device = models.CharField(max_length=64, default="")
    address_mask = models.SmallIntegerField(null=True)
    sorry_server = models.CharField(max_length=64, null=True)
    sorry_port = models.IntegerField(null=True)
    fwmark = models.BigIntegerField(default=0)
    protocol = models.CharField(max_length=8, choices=choices(values.Protocol), default="tcp")
    port = models.IntegerField(default=80)
    ports = models.JSONField(default=list)
    forwarding = models.CharField(max_length=8, choices=choices(values.Forwarding), null=True)
    scheduler = models.CharField(max_length=8, choices=choices(values.Scheduler), default="wlc")
    scheduler_flags = models.JSONField(default=list)
    one_packet = models.BooleanField(default=False)
    persistence = models.BigIntegerField(default=0)
    persistence_mask = models.SmallIntegerField(null=True)
    timeout = models.BigIntegerField(default=10)
    reentry = models.BigIntegerField(default=180)
    failures = models.IntegerField(default=1)
    load_monitor = models.TextField(default="none")
    agent_port = models.IntegerField(null=True)
    agent_send = models.TextField(null=True)
    weight_floor = models.IntegerField(null=True)
    weight_ceiling = models.IntegerField(default=1000)
    slow_start = models.BigIntegerField(default=0)
    protection = models.IntegerField(default=0)
    drain_time = models.BigIntegerField(default=300)
    quiesce = models.BooleanField(default=False)
    client_monitor = models.TextField(null=True)
    start_cmd = models.TextField(null=True)
    stop_cmd = models.TextField(null=True)
    master = models.TextField(null=True)
    dirs = models.JSONField(default=list)
    comments = models.JSONField(default=list)
    version = models.BigIntegerField(default=new_version)  # another one whenever any of its rows changes

    IN_ROWS: ClassVar[tuple[str, ...]] = ("check", "real_servers")

    class Meta:
        ordering = ("position",)
        constraints = (
            models.UniqueConstraint(fields=("cluster", "name"), name="virtual_server_name_unique"),
            models.CheckConstraint(
                condition=Q(address__isnull=True) | ~Q(device=""), name="virtual_server_address_has_device"
            ),
        )

    def __str__(self) -> str:
        return self.name

    def owner(self) -> Cluster:
        return self.cluster

    def block(self) -> int | None:
        return self.pk

    def next_position(self) -> int:
        """Where a new real server stands: below all others."""
        return next_position(self.real_servers.all())

    def value(
        self, check: values.HealthCheck, real_servers: tuple[values.RealServer, ...]
    ) -> values.VirtualServer:
        """What the row says, as a value with what its other rows say."""
        return from_columns(values.VirtualServer, self, check=check, real_servers=real_servers)

    def take(self, value: values.VirtualServer) -> None:
        """Makes the row say value, except for its check and its real servers."""
        self.take_columns(to_columns(value, leave_out=self.IN_ROWS))

    def activate(self) -> None:
        """Puts the service into the configuration that is run."""
        self.active = True
        self.save(update_fields=["active"])

    def deactivate(self) -> None:
        """Keeps the service in the configuration without running it."""
        self.active = False
        self.save(update_fields=["active"])


class MonitoringScript(CandidateRow):
    """`lvs.config.model.HealthCheck` of a virtual server."""

    virtual_server = models.OneToOneField(
        VirtualServer, models.CASCADE, primary_key=True, related_name="monitoring_script"
    )
    kind = models.CharField(max_length=8, choices=choices(values.CheckKind), default="auto")
    check_port = models.IntegerField(null=True)
    send = models.TextField(null=True)
    expect = models.TextField(null=True)
    use_regex = models.BooleanField(default=False)
    send_program = models.TextField(null=True)
    http_method = models.CharField(max_length=8, choices=choices(values.HttpMethod), default="GET")
    http_path = models.TextField(null=True)
    http_host = models.TextField(null=True)
    http_status = models.JSONField(default=any_success)
    tls_verify = models.BooleanField(default=False)
    tls_name = models.TextField(null=True)
    tls_expiry = models.IntegerField(default=14)
    dns_name = models.TextField(null=True)
    dns_type = models.CharField(max_length=8, choices=choices(values.DnsType), default="A")

    def __str__(self) -> str:
        return f"monitoring script of {self.virtual_server}"

    def owner(self) -> Cluster:
        return self.virtual_server.cluster

    def value(self) -> values.HealthCheck:
        """What the row says, as a value."""
        return from_columns(values.HealthCheck, self)

    def take(self, value: values.HealthCheck) -> None:
        """Makes the row say value."""
        self.take_columns(to_columns(value))


class RealServer(CandidateRow):
    """`lvs.config.model.RealServer`."""

    virtual_server = models.ForeignKey(VirtualServer, models.CASCADE, related_name="real_servers")
    position = models.IntegerField()
    name = models.CharField(max_length=255)
    address = models.CharField(max_length=64, null=True)
    active = models.BooleanField(default=False)
    port = models.IntegerField(null=True)
    weight = models.BigIntegerField(default=1)
    upper_threshold = models.BigIntegerField(default=0)
    lower_threshold = models.BigIntegerField(default=0)
    comments = models.JSONField(default=list)

    class Meta:
        ordering = ("position",)
        constraints = (
            models.UniqueConstraint(fields=("virtual_server", "name"), name="real_server_name_unique"),
        )

    def __str__(self) -> str:
        return self.name

    def owner(self) -> Cluster:
        return self.virtual_server.cluster

    def value(self) -> values.RealServer:
        """What the row says, as a value."""
        return from_columns(values.RealServer, self)

    def take(self, value: values.RealServer) -> None:
        """Makes the row say value."""
        self.take_columns(to_columns(value))

    def activate(self) -> None:
        """Lets the virtual server send requests here (once it is healthy)."""
        self.active = True
        self.save(update_fields=["active"])

    def deactivate(self) -> None:
        """Keeps the real server in the configuration without using it."""
        self.active = False
        self.save(update_fields=["active"])
