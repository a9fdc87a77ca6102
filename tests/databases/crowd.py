"""Run in a site: several who edit, apply and read at once; then nothing is lost, and nobody saw a fault."""

CODE = """
import logging, sys, threading
from ipaddress import IPv4Address
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connections, transaction
from django.test import Client
from lvs import models, store
from lvs.rows import audit
from lvs.config.model import *
from piranha_web.access.backend import bound
from piranha_web.access.passwords import set_password
from pathlib import Path

EDITORS, EDITS, APPLIES = 4, 5, 4
call_command("migrate", verbosity=0)
cluster = store.create_cluster("lab", "r1")
store.save(cluster, LvsConfig(global_settings=GlobalSettings(primary=IPv4Address("192.168.26.9"))))
shop = store.add_virtual_server(cluster, VirtualServer(name="shop", real_servers=(
    RealServer(name="web1", address=IPv4Address("10.0.0.1"), active=False),)))
web1 = shop.real_servers.get()
begun = cluster.edition
set_password("piranha", "correct horse", Path(settings.PIRANHA_PASSWORD_FILE))
user = bound(User.objects.create(username="piranha", password="!"))
clients = []
for _ in range(EDITORS + 3):
    clients.append(Client(HTTP_HOST="localhost"))
    clients[-1].force_login(user)
faults, seen, start = [], [], threading.Barrier(EDITORS + 4)

def at_once(work, *words):
    def run():
        start.wait()
        try:
            work(*words)
        except BaseException as error:
            faults.append(f"{work.__name__}{words}: {error!r}")
        finally:
            connections.close_all()
    return threading.Thread(target=run)

def edits(number):
    # As the panels do: the cluster locked, what is there read, and written with one thing more.
    for step in range(EDITS):
        with transaction.atomic():
            locked = models.Cluster.objects.select_for_update().get(pk=cluster.pk)
            config = store.load(locked)
            name = f"vs{number}-{step}"
            new = VirtualServer(name=name, port=1000 + 100 * number + step, active=True,
                address=FloatingAddress(address=IPv4Address("192.168.26.10"), device="eth0:1"))
            if step % 2:
                store.save(locked, LvsConfig(
                    global_settings=config.global_settings, redundancy=config.redundancy,
                    virtual_servers=(*config.virtual_servers, new)))
            else:
                store.add_virtual_server(locked, new)
            audit.write(audit.AuditEntry.Action.CANDIDATE, name, user="piranha")

def applies(number):
    for step in range(APPLIES):
        revision = store.freeze(cluster, "piranha", f"{number}-{step}")
        seen.append(revision.number)

def reads(client):
    for page in ("/", "/virtual-servers", "/history", "/audit?words=vs", "/review") * 2:
        answer = client.get(page)
        if answer.status_code >= 400:
            faults.append(f"{page}: {answer.status_code} {answer.content[:200]}")

logging.disable(logging.WARNING)
threads = [at_once(edits, number) for number in range(EDITORS)]
threads += [at_once(applies, number) for number in range(2)]
threads += [at_once(reads, clients[number]) for number in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join(240)
assert not faults, faults
wanted = {f"vs{number}-{step}" for number in range(EDITORS) for step in range(EDITS)} | {"shop"}
config = store.load_rows(models.Cluster.objects.get())
assert sorted(one.name for one in config.virtual_servers) == sorted(wanted)
assert sorted(seen) == list(range(1, 2 * APPLIES + 1)), seen
assert models.Revision.objects.count() == len(seen)
texts = set(models.AuditEntry.objects.filter(action="candidate").values_list("text", flat=True))
assert texts == wanted - {"shop"}
grown = [len(one.document["virtual"]) for one in models.Revision.objects.order_by("number")]
assert grown == sorted(grown), grown
print("everything is there")
"""
