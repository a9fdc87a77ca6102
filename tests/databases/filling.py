"""Run in a site: rows of every kind that a manager has after a while."""

CODE = """
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
import uuid
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.contrib.sessions.backends.db import SessionStore
from axes.models import AccessAttempt
from django_otp.plugins.otp_totp.models import TOTPDevice
from lvs import models, store
from lvs.machines import signing, serials
from lvs.rows import audit
from lvs.config.model import *
from piranha_web.access.passwords import set_password

call_command("migrate", verbosity=0)
cluster = store.create_cluster("lab", "r1", "r2")
shop = VirtualServer(
    name="shop \\u00e4\\U0001f41f", active=True,
    address=FloatingAddress(address=IPv4Address("192.168.26.10"), device="eth0:1"),
    check=HealthCheck(send=r"GET / HTTP/1.0\\r\\n\\r\\n", expect="HTTP"),
    real_servers=tuple(
        RealServer(name=f"web{n}", address=IPv4Address("10.11.12.0") + n, active=True) for n in range(1, 120)
    ),
)
config = LvsConfig(
    global_settings=GlobalSettings(
        primary=IPv4Address("192.168.26.9"),
        nat_router=FloatingAddress(address=IPv4Address("10.11.12.10"), device="eth1:1"), nat_mask=24,
    ),
    virtual_servers=(shop,),
)
store.save(cluster, config)
for number in range(3):
    store.freeze(cluster, "anna", f"change {number} \\u2192 \\u6f22", confirm_within=60 if number else None)
models.Deployment.objects.filter(position=0).update(
    seconds=0.1, sent_at=datetime.now(UTC), changes=[1.5, 1e20, -0.0]
)
set_password("anna", "correct horse battery", Path(settings.PIRANHA_PASSWORD_FILE))
account = models.Account.objects.create(name="anna", role=3)
models.ClusterRole.objects.create(account=account, cluster=cluster, role=2)
user = User.objects.create(username="anna", password="!")
TOTPDevice.objects.create(user=user, name="phone")
AccessAttempt.objects.create(
    username="eve", ip_address="192.0.2.1", failures_since_start=3, get_data="", post_data=""
)
AccessAttempt.objects.update(attempt_time=datetime(2020, 1, 2, 3, 4, 5, 678901, tzinfo=UTC))
for number in range(700):
    details = {"b": 1, "a": [number, None]}
    audit.write(audit.AuditEntry.Action.APPLY, f"applied {number} \\u00fc", user="anna", details=details)
models.Router.objects.get(name="r1").admit("ab" * 32)
router = models.Router.objects.get(name="r2")
models.Enrolment.begin(router, "cd" * 32, by="anna", now=datetime.now(UTC), ends_at=datetime.now(UTC))
now = datetime.now(UTC)
models.Login.objects.create(account="anna", password_mark="x", address="::1", began_at=now, used_at=now)
session = SessionStore(); session["a"] = 1; session.save()
signing.manager_key(settings.VAR)
serials.next_serial(settings.VAR)
(Path(settings.VAR) / "allow").write_text("10.0.0.0/8\\n")
(Path(settings.VAR) / "log").mkdir(exist_ok=True)
(Path(settings.VAR) / "log" / "big.log").write_text("not for a backup")
"""
