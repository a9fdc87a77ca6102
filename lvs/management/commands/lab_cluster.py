"""`piranha manage lab_cluster`: the cluster that the lab's two routers belong to."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction

from lvs import models, store
from lvs.config.model import FloatingAddress, Forwarding, GlobalSettings, LvsConfig, Redundancy

LAB = LvsConfig(
    global_settings=GlobalSettings(
        primary=IPv4Address("192.168.26.9"),
        primary_private=IPv4Address("10.11.12.9"),
        forwarding=Forwarding.NAT,
        nat_router=FloatingAddress(address=IPv4Address("10.11.12.10"), device="eth1:1"),
        nat_mask=24,
    ),
    redundancy=Redundancy(
        backup_active=True,
        backup=IPv4Address("192.168.26.8"),
        backup_private=IPv4Address("10.11.12.8"),
    ),
)


class Command(BaseCommand):
    """Does nothing where there is a cluster already: what was set up stays."""

    help = (
        "Create the cluster `lab` with the routers r1 (primary) and r2 (backup), if there is no cluster yet."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        with transaction.atomic():
            if models.Cluster.objects.exists():
                self.stdout.write("There is a cluster already; nothing was changed.")
                return
            store.save(store.create_cluster("lab", "r1", "r2"), LAB)
        self.stdout.write("Created the cluster lab with the routers r1 and r2.")
