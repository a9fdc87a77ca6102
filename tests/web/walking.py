"""Each address that changes something, done as somebody does it on the pages, for the audit log's tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from ipaddress import IPv4Address
from typing import Any

from django.conf import settings
from django.test import Client
from django.utils import timezone

from lvs import models, store
from lvs.config.model import Redundancy
from piranha_web.access import accounts, lockout
from piranha_web.alerts import targets
from piranha_web.forms.real_servers import seen_of
from tests.web.answering import answering
from tests.web.conftest import CONFIG, PASSWORD, SHOP, USER
from tests.web.enrolment import able, invited, knock
from tests.web.factors import app_of, code_of, in_the_making
from tests.web.listening import Webhook, served
from tests.web.pages import fields_of
from tests.web.redundant import redundant
from tests.web.reports import report, status

Action = models.AuditEntry.Action
State = models.Deployment.State
TARGET = {"target": "shop/web1"}
HASH = "1" * 64
MAIL = "\n".join(("primary = 192.168.26.9", "virtual mail {", "active = 0", "port = 25", "}", ""))


@dataclass(frozen=True, slots=True)
class Site:
    """What a step is done on."""

    client: Client
    cluster: models.Cluster

    @property
    def edition(self) -> dict[str, str]:
        """What a page with a verb sends of the candidate that it showed."""
        self.cluster.refresh_from_db()
        return {"edition": str(self.cluster.edition)}

    @property
    def shop(self) -> int:
        """The virtual server's number."""
        return self.cluster.virtual_servers.get(name="shop").pk

    @property
    def web1(self) -> int:
        """The real server's number."""
        return models.RealServer.objects.get(virtual_server=self.shop, name="web1").pk

    @property
    def r1(self) -> int:
        """The router's number."""
        return self.cluster.routers.get(name="r1").pk

    def send(self, page: str, /, **changes: Any) -> None:
        """The form of a page, with changes."""
        self.post(page, **(fields_of(self.client, page) | changes))

    def post(self, page: str, /, **fields: Any) -> None:
        """What a button sends."""
        assert self.client.post(page, fields).status_code in (200, 302)

    def frozen(self, **more: Any) -> models.Revision:
        """A revision that the routers have."""
        made = store.freeze(self.cluster, author="bob", message="", **more)
        for one in made.deployments.all():
            one.end(State.APPLIED)
        return made

    def waiting(self) -> None:
        """A second one that waits for its confirmation."""
        self.frozen()
        store.save(self.cluster, replace(CONFIG, virtual_servers=(replace(SHOP, persistence=60),)))
        for one in self.frozen(confirm_within=60).deployments.all():
            one.wait(timezone.now() + timedelta(seconds=42))


Step = Callable[[Site], None]


def switch_over(site: Site) -> None:
    a_pair(site)
    with answering("r1", hand_over={"role": "standby", "message": "r2 is active now"}):
        site.post("/redundancy/switch", giver="r1")


def a_pair(site: Site) -> None:
    """Both routers report that they are one."""
    revision = site.frozen()
    for name, role in (("r1", "active"), ("r2", "standby")):
        report(name, redundant(role, serial=revision.number, sha256=revision.sha256))


def set_aside(site: Site) -> None:
    a_pair(site)
    with answering("r1", set_aside={"role": "standby", "message": "takes no part"}):
        site.post(f"/routers/{site.r1}/aside", role="active", reason="new disk")


def take_part(site: Site) -> None:
    a_pair(site)
    with answering("r1", take_part={"role": "standby", "message": "takes part again"}):
        site.post(f"/routers/{site.r1}/take-part")


def new_key(site: Site) -> None:
    site.post("/redundancy/key")


def take_in(site: Site) -> None:
    revision = site.frozen()
    report("r1", status(serial=revision.number, sha256=HASH))
    text = revision.lvs_cf.replace("reentry = 180", "reentry = 30")
    running = {"lvs_cf": text, "sha256": HASH, "serial": revision.number}
    with answering("r1", running=running):
        site.post(f"/routers/{site.r1}/take-in", sha256=HASH, **site.edition)


def make_token(site: Site) -> None:
    with able():
        site.post(f"/routers/{site.r1}/enrol")


def enrol(site: Site) -> None:
    assert knock(invited(site.cluster.routers.get(name="r1")), site.client).status_code == 200


def put_back(site: Site) -> None:
    report("r1", status(serial=site.frozen().number, sha256=HASH))
    site.post(f"/routers/{site.r1}/put-back")


def order(site: Site) -> None:
    report("r1", status())
    with answering("r1", server={"changed": ["drain web1 of shop"]}):
        site.post("/real-servers/order", order="drain", reason="new disk", **TARGET)


def check(site: Site) -> None:
    report("r1", status())
    site.post("/real-servers/check", **TARGET)


def discard(site: Site) -> None:
    site.frozen()
    site.cluster.virtual_servers.get(name="shop").deactivate()
    site.post("/discard", **site.edition)


def first_pair(site: Site) -> None:
    store.save(site.cluster, replace(CONFIG, redundancy=Redundancy(backup=IPv4Address("192.168.26.8"))))
    site.send("/first/pair", check_gateway="192.168.26.254")


def take_back(site: Site) -> None:
    site.frozen()
    site.cluster.virtual_servers.get(name="shop").deactivate()
    site.post("/history/1/take-back", **site.edition)


def confirm(site: Site) -> None:
    site.waiting()
    site.post("/history/2/confirm")


def roll_back(site: Site) -> None:
    site.waiting()
    site.post("/history/2/roll-back")


def activate(site: Site) -> None:
    site.cluster.virtual_servers.get(name="shop").deactivate()
    site.post(f"/virtual-servers/{site.shop}/activate")


def activate_real_server(site: Site) -> None:
    models.RealServer.objects.get(pk=site.web1).deactivate()
    site.post(f"/real-servers/{site.web1}/activate")


def change_redundancy(site: Site) -> None:
    site.send("/redundancy", verb="enable", backup="192.168.26.8", deadtime="30")


def reset_redundancy(site: Site) -> None:
    site.cluster.redundancy.take(replace(CONFIG.redundancy, deadtime=77))
    site.post("/redundancy/reset")


def try_check(site: Site) -> None:
    page = f"/virtual-servers/{site.shop}/monitoring"
    site.post(f"{page}/try", **(fields_of(site.client, page) | {"real_server": "web1"}))


def account() -> None:
    accounts.add("anna", "battery staple", models.UserRole.VIEWER)


def give_roles(site: Site) -> None:
    account()
    site.post("/accounts/roles", name="anna", role="2", **{f"cluster-{site.cluster.pk}": "3"})


def give_password(site: Site) -> None:
    account()
    site.post("/accounts/password", name="anna")


def block_account(site: Site) -> None:
    models.Account.objects.create(name="anna", issuer="https://id.example", subject="1")
    site.post("/accounts/block", name="anna", verb="block")


def remove_account(site: Site) -> None:
    account()
    site.post("/accounts/remove", name="anna")


def second_step(site: Site) -> None:
    device = app_of(USER)
    site.post("/login", username=USER, password=PASSWORD)
    site.post("/login/code", code=code_of(device))


def start_factor(site: Site) -> None:
    site.post("/second-factor/start", old=PASSWORD)


def confirm_factor(site: Site) -> None:
    site.post("/second-factor/confirm", code=code_of(in_the_making(USER)))


def new_recovery_codes(site: Site) -> None:
    site.post("/second-factor/codes", code=code_of(app_of(USER)))


def switch_off_factor(site: Site) -> None:
    site.post("/second-factor/off", old=PASSWORD, code=code_of(app_of(USER)))


def allow(site: Site) -> None:
    site.post("/access", network="192.0.2.0/24", note="the office")


def remove_target(site: Site) -> None:
    made = targets.add(settings.PIRANHA_ALERTS_FILE, "json://127.0.0.1/x", "", by="", at="")
    site.post("/alerts/remove", target=made.id)


def try_target(site: Site) -> None:
    with served(Webhook()) as webhook:
        made = targets.add(settings.PIRANHA_ALERTS_FILE, webhook.url, "", by="", at="")
        site.post("/alerts/test", target=made.id)


def allow_no_longer(site: Site) -> None:
    settings.PIRANHA_ALLOW_FILE.write_text("192.0.2.0/24\n")
    site.post("/access/remove", network="192.0.2.0/24")


def require_factor(site: Site) -> None:
    account()
    site.post("/accounts/second-factor", name="anna", verb="must")


def end_session(site: Site) -> None:
    account()
    now = timezone.now()
    row = models.Login.objects.create(account="anna", password_mark="", address="", began_at=now, used_at=now)
    site.post("/accounts/sessions/end", name="anna", session=str(row.pk))


def unlock(site: Site) -> None:
    lockout.count("anna", "192.0.2.1", timezone.now())
    site.post("/accounts/unlock", kind="PAIR", name="anna", network="192.0.2.1")


# By the name of the address: how it is done, the action that is written down, and a word of the sentence.
WALK: dict[str, tuple[Step, Action, str]] = {
    "global-settings": (
        lambda site: site.send("/global-settings", primary="192.168.26.7"),
        Action.CANDIDATE,
        "primary 192.168.26.9 → 192.168.26.7",
    ),
    "redundancy": (change_redundancy, Action.CANDIDATE, "set backup to 192.168.26.8"),
    "redundancy-reset": (reset_redundancy, Action.CANDIDATE, "deadtime"),
    "redundancy-switch": (switch_over, Action.SWITCH, "r1: r2 is active now"),
    "router-aside": (set_aside, Action.SWITCH, "set r1 aside"),
    "router-take-part": (take_part, Action.SWITCH, "let r1 take part again"),
    "redundancy-key": (new_key, Action.KEY, "new cluster key"),
    "router-take-in": (take_in, Action.TAKE_IN, "reentry 180 → 30"),
    "router-put-back": (put_back, Action.PUT_BACK, "r1"),
    "virtual-server-add": (
        lambda site: site.send("/virtual-servers/add", name="mail", address="192.168.26.11", port="25"),
        Action.CANDIDATE,
        "add virtual server mail",
    ),
    "virtual-server-edit": (
        lambda site: site.send(f"/virtual-servers/{site.shop}", scheduler="rr"),
        Action.CANDIDATE,
        "shop: scheduler wlc → rr",
    ),
    "virtual-server-activate": (activate, Action.CANDIDATE, "activate virtual server shop"),
    "virtual-server-deactivate": (
        lambda site: site.post(f"/virtual-servers/{site.shop}/deactivate"),
        Action.CANDIDATE,
        "deactivate virtual server shop",
    ),
    "virtual-server-delete": (
        lambda site: site.post(f"/virtual-servers/{site.shop}/delete"),
        Action.CANDIDATE,
        "remove virtual server shop",
    ),
    "virtual-server-duplicate": (
        lambda site: site.send(f"/virtual-servers/{site.shop}/duplicate", port="8080"),
        Action.CANDIDATE,
        "add virtual server shop copy",
    ),
    "virtual-server-bulk": (
        lambda site: site.post("/virtual-servers/bulk", verb="deactivate", picked=str(site.shop)),
        Action.CANDIDATE,
        "deactivate virtual server shop",
    ),
    "real-server-bulk": (
        lambda site: site.post("/real-servers/bulk", verb="weight", weight="7", picked=str(site.web1)),
        Action.CANDIDATE,
        "web1 of shop: weight 1 → 7",
    ),
    "real-server-weight": (
        lambda site: site.post(f"/real-servers/{site.web1}/weight", weight="9", seen=seen_of(1)),
        Action.CANDIDATE,
        "web1 of shop: weight 1 → 9",
    ),
    "monitoring-script": (
        lambda site: site.send(f"/virtual-servers/{site.shop}/monitoring", expect="OK"),
        Action.CANDIDATE,
        "expect",
    ),
    "monitoring-try": (try_check, Action.TEST, "web1 of shop"),
    "real-server-add": (
        lambda site: site.send(
            f"/virtual-servers/{site.shop}/real-servers/add", name="web9", address="10.11.12.9"
        ),
        Action.CANDIDATE,
        "add real server web9",
    ),
    "real-server-edit": (
        lambda site: site.send(f"/real-servers/{site.web1}", weight="7"),
        Action.CANDIDATE,
        "web1 of shop: weight 1 → 7",
    ),
    "real-server-activate": (activate_real_server, Action.CANDIDATE, "activate real server web1 of shop"),
    "real-server-deactivate": (
        lambda site: site.post(f"/real-servers/{site.web1}/deactivate"),
        Action.CANDIDATE,
        "deactivate real server web1 of shop",
    ),
    "real-server-delete": (
        lambda site: site.post(f"/real-servers/{site.web1}/delete"),
        Action.CANDIDATE,
        "remove real server web1",
    ),
    "real-server-order": (order, Action.ORDER, "drain for web1 of shop, because “new disk”: r1: drain"),
    "real-server-test": (
        lambda site: site.post("/real-servers/test", **TARGET),
        Action.TEST,
        "web1 of shop",
    ),
    "real-server-check": (check, Action.CHECK, "web1 of shop"),
    "import-confirm": (
        lambda site: site.post("/import/confirm", text=MAIL, verb="replace", **site.edition),
        Action.IMPORT,
        "imported an lvs.cf",
    ),
    "apply": (
        lambda site: site.post("/apply", message="for the sale", **site.edition),
        Action.APPLY,
        "applied revision 1 “for the sale”",
    ),
    "discard": (discard, Action.DISCARD, "activate virtual server shop"),
    "revision-confirm": (confirm, Action.CONFIRM, "kept revision 2"),
    "revision-roll-back": (roll_back, Action.ROLL_BACK, "rolled back revision 2"),
    "revision-take-back": (take_back, Action.TAKE_BACK, "took revision 1 back"),
    "cluster-create": (
        lambda site: site.send("/clusters/new", name="second", primary="x1", backup="x2"),
        Action.CLUSTER,
        "made the cluster second of x1 and x2",
    ),
    "first-cluster": (
        lambda site: site.send("/first/cluster", name="second"),
        Action.CLUSTER,
        "named the cluster second of r1 and r2",
    ),
    "first-network": (
        lambda site: site.send("/first/network", backup="192.168.26.8"),
        Action.CANDIDATE,
        "192.168.26.8",
    ),
    "first-pair": (first_pair, Action.CANDIDATE, "keepalive"),
    "first-service": (
        lambda site: site.send("/first/service", port="8080"),
        Action.CANDIDATE,
        "shop: port 80 → 8080",
    ),
    "first-apply": (
        lambda site: site.post("/first/apply", message="first set-up", **site.edition),
        Action.APPLY,
        "applied revision 1 “first set-up”",
    ),
    "login": (
        lambda site: site.post("/login", username="piranha", password=PASSWORD),
        Action.LOGIN,
        "logged in",
    ),
    "factor-start": (start_factor, Action.SECOND_FACTOR, "began to set up a second factor"),
    "factor-confirm": (confirm_factor, Action.SECOND_FACTOR, "set up a second factor"),
    "factor-codes": (new_recovery_codes, Action.SECOND_FACTOR, "made new recovery codes"),
    "factor-off": (switch_off_factor, Action.SECOND_FACTOR, "switched off the second factor"),
    "user-factor": (require_factor, Action.SECOND_FACTOR, "said that anna must have a second factor"),
    "user-factor-rule": (
        lambda site: site.post("/accounts/second-factor-rule", least_role=""),
        Action.SECOND_FACTOR,
        "said that no role must have a second factor",
    ),
    "user-session-end": (end_session, Action.LOGOUT, "ended 1 session of anna"),
    "user-unlock": (unlock, Action.LOCK, "unlocked anna from 192.0.2.1"),
    "login-code": (second_step, Action.LOGIN, "logged in by password and a code"),
    "user-add": (
        lambda site: site.post("/accounts/add", name="carl", role="2"),
        Action.ACCOUNT,
        "added the account carl as operator",
    ),
    "user-roles": (give_roles, Action.ACCOUNT, "made anna operator of all clusters, administrator of lab"),
    "user-password": (give_password, Action.ACCOUNT, "gave anna another password"),
    "user-block": (block_account, Action.ACCOUNT, "blocked anna"),
    "user-remove": (remove_account, Action.ACCOUNT, "removed the account anna"),
    "alerts": (
        lambda site: site.post("/alerts", url="json://192.0.2.80/s3cr3t", note="the hall"),
        Action.ALERT,
        "alerts go to json://192.0.2.80/…",
    ),
    "alerts-choose": (
        lambda site: site.post("/alerts/choose", told=["failover"], remind_hours="8", servers_after="30"),
        Action.ALERT,
        "a reminder every 8 h",
    ),
    "alerts-remove": (remove_target, Action.ALERT, "nobody is alerted by json://127.0.0.1/…"),
    "alerts-test": (try_target, Action.ALERT, "test alert to json://127.0.0.1:"),
    "alerts-quiet": (
        lambda site: site.post("/alerts/quiet", until="2h", reason="new cables"),
        Action.ALERT,
        "no alerts of lab until",
    ),
    "access": (allow, Action.ALLOW, "allowed 192.0.2.0/24 “the office”"),
    "access-remove": (allow_no_longer, Action.ALLOW, "no longer allowed 192.0.2.0/24"),
    "session-end": (
        lambda site: site.post("/sessions/end", session="others"),
        Action.LOGOUT,
        "ended 0 other sessions",
    ),
    "logout": (lambda site: site.post("/logout"), Action.LOGOUT, "logged out"),
    "change-password": (
        lambda site: site.post("/password", old=PASSWORD, new="battery staple", again="battery staple"),
        Action.PASSWORD,
        "changed the password",
    ),
}
WALK |= {
    "router-enrol": (make_token, Action.ENROL, "made a token to enrol r1"),
    "router-revoke": (lambda site: site.post(f"/routers/{site.r1}/revoke"), Action.ENROL, "revoked r1"),
    "enrol": (enrol, Action.ENROL, "enrolled r1"),
}
NOT_WRITTEN = {
    "control-auto-update": "keeps in the session how often a page is asked for",
    "cluster-choose": "keeps in the session which cluster is looked at",
    "import": "only reports on a file; what takes it is import-confirm",
}
