"""A site in which every text was written by an attacker, and pages taken apart to see what came of it."""

from __future__ import annotations

import re
from datetime import timedelta
from html.parser import HTMLParser
from ipaddress import ip_network
from typing import Any

from axes.models import AccessAttempt
from django.utils import timezone

from lvs import dispatch, models, store
from lvs.machines import refusals
from lvs.machines.refusals import Kind
from lvs.reported.shape import LATEST
from lvs.rows import audit
from lvs.rows.versions import new_version
from piranha_web.access import allow_file, passwords
from tests.web.conftest import CONFIG, USER
from tests.web.explaining import explanation, trial
from tests.web.looking import preflight, remark, rules
from tests.web.redundant import redundant
from tests.web.reports import hand, real_server, report, shop_with

# Ends an attribute with any quote or none, and what cannot have elements in it; begins elements and handlers.
MARKUP = (
    """x' evil=1 "evil=1 ></a></title></textarea></script><script>evil()</script><evil onerror=evil()>&lt;"""
)
# What a terminal or a reader's eye would obey.
SIGNS = "\x1b[31m\x9b2J\u202e\u2066\x07\x08\r"
# Words that the pages ask for; another one in their place would only hide what stands beside them.
WORDS = {
    *("active", "standby", "kernel", "planning", "primary", "backup", "master", "healthy", "failed", "error"),
    *("warning", "note", "sent", "received", "maintenance", "drain", "up", "down", "auto", "tcp", "nat"),
}
# Every column of the candidate whose words are free.
TEXTS: dict[Any, tuple[str, ...]] = {
    models.GlobalSettings: ("nat_router_device", "active_cmd", "inactive_cmd", "rsh_command", "debug_level"),
    models.Redundancy: ("syncd_iface",),
    models.VirtualServer: ("name", "device", "load_monitor", "agent_send", "start_cmd", "stop_cmd", "master"),
    models.RealServer: ("name",),
    models.MonitoringScript: (
        "send",
        "expect",
        "send_program",
        "http_path",
        "http_host",
        "tls_name",
        "dns_name",
    ),
}
SERVICE = re.compile(r"https?://([0-9.]+|\[[0-9a-f:]+\])(:[0-9]+)?/")
ENDLESS = "A" * 20_000


def evil(text: str, more: str = "") -> str:
    """The text with an attack behind it; always the same for the same text, so that names still fit."""
    return text + MARKUP + more


def evil_document(value: Any, more: str = SIGNS, name: str = "") -> Any:
    """JSON in which every text is an attack, but for the words that decide what is shown at all."""
    if isinstance(value, dict):
        return {key: evil_document(each, more, key) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [evil_document(each, more, name) for each in value]
    if not isinstance(value, str) or value in WORDS or name == "sha256":
        return value
    return evil(value) if name in ("name", "virtual_server", "real_server") else evil(value, more)


def evil_cluster() -> models.Cluster:
    """A cluster whose names, revisions, deployments and errands are attacks, waiting for nobody."""
    cluster = store.create_cluster(evil("lab"), "r1", "r2")
    models.Router.objects.filter(name="r2").update(name=evil("r2"))  # r1 has a queue that the test serves
    store.save(cluster, CONFIG)
    revision = store.freeze(cluster, author=evil("anna"), message=evil("a message"))
    for deployment in revision.deployments.all():
        deployment.end(models.Deployment.State.FAILED, error=evil("refused", SIGNS))
        deployment.changes = [evil("add service")]
        deployment.refused = [{"change": evil("add service"), "reason": evil("no such scheduler", SIGNS)}]
        deployment.save()
    for table, columns in TEXTS.items():  # past all rules: each of them might have had a gap
        for row in table.objects.all():
            table.objects.filter(pk=row.pk).update(
                **{name: evil(getattr(row, name) or "") for name in columns}
            )
    models.VirtualServer.objects.update(version=new_version())  # what was read before holds no more
    for kind in models.Errand.Kind:
        errand = models.Errand.begin(
            cluster.routers.first(), revision, kind, by=evil("anna"), reason=evil("away")
        )
        errand.end(models.Errand.State.FAILED, error=evil("refused", SIGNS))
    return cluster


def evil_accounts(site: Any) -> str:
    """Who may use the site, and who tried to, in an attacker's words; the name of the account."""
    now, name = timezone.now(), evil("eve")
    passwords.set_password(name, "a long password", site.PIRANHA_PASSWORD_FILE)
    by_issuer = models.Account.objects.create(
        name=evil("ida"), issuer="https://" + evil("sso"), subject=evil("1"), role=2
    )
    by_issuer.cluster_roles.create(cluster=models.Cluster.objects.get(), role=3)
    models.Account.objects.create(name=name, must_change=True)
    for account in (name, USER):
        models.Login.objects.create(
            account=account,
            password_mark="x",
            address=evil("10.0.0.1")[:64],
            browser=evil("Mozilla"),
            began_at=now,
            used_at=now,
        )
    AccessAttempt.objects.create(
        username=evil("guest")[:150], ip_address="10.0.0.9", failures_since_start=11, attempt_time=now
    )
    line = allow_file.Entry(ip_network("10.0.0.0/8"), evil("office"), evil("anna")[:60], now).line
    site.PIRANHA_ALLOW_FILE.write_text(f"{line}\n192.168.0.0/16 # {evil('by hand', SIGNS.strip())}\n")
    for action in models.AuditEntry.Action:
        words = {"user": name, "address": evil("10.0.0.1"), "cluster": evil("lab"), "target": evil("shop")}
        audit.write(action, evil("did it", SIGNS), details={evil("field"): [evil("value", SIGNS)]}, **words)
    for router in models.Router.objects.all():
        begun = models.Enrolment.begin(router, str(router.pk), by=name, now=now, ends_at=now + timedelta(1))
        begun.use(evil("10.0.0.2"), now)
        begun.complete()
        models.Enrolment.begin(router, f"next {router.pk}", by=name, now=now, ends_at=now + timedelta(1))
        refused = {
            f"{kind}{end}": value
            for kind in Kind
            for end, value in (("", 3), (".at", now.timestamp()), (".why", evil("forged", SIGNS)))
        }
        dispatch.broker().hset(refusals.key_of(router.name), mapping=refused)
    return name


def evil_reports() -> None:
    """What two routers report that an attacker has; every real server answers with attacks."""
    servers = [
        real_server("web1", "10.11.12.1", reason="says " + ENDLESS, hand=hand("maintenance", reason="disk")),
        real_server("web2", "10.11.12.2", "failed", "status 200", why="out", warning="ends", flapping=True),
    ]
    shop = shop_with(*servers)["virtual_servers"]
    active = redundant(
        "active",
        of={
            "unfit": ["a link is down"],
            "alarms": ["both are active"],
            "hand_over_refused": ["no peer"],
            "strangers": [
                {"address": "192.168.26.10", "mac": "52:54:00:0:0:2", "interface": "eth0", "at": 1.0}
            ],
        },
        virtual_servers=shop,
        foreign=[{**shop[0], "name": "foreign"}],
        problems=["a problem"],
        last_change={"at": 1.0, "cause": "an install", "changes": ["add"], "refused": []},
        sha256="1" * 64,
        aside={"by": "bob", "reason": "new disk", "at": 1.0, "until": float(LATEST)},
    )
    report("r1", evil_document(active))
    report(evil("r2"), evil_document(redundant("standby")), evil("a problem", SIGNS))


def evil_answers() -> dict[str, dict[str, Any]]:
    """What the routers answer to each task."""
    examined = {
        "remarks": [remark("error", about="real server")],
        "tried": [{"what": "who has it", "good": False, "said": "somebody"}],
        "seconds": 1.5,
    }
    documents = {
        "explain": explanation(
            test=trial(),
            hand=hand("maintenance", reason="disk"),
            load={"factor": 0.6, "word": "up", "reason": "60%", "at": 1.0},
        ),
        "try_check": {"check": "http GET /", "test": trial()},
        "preflight": preflight(remark(), remark("error"), remark("note")),
        "rules": rules(drift=["chain evil"]),
        "examine": examined,
        "plan": {"changes": ["add service"], "problems": []},
        "running": {"lvs_cf": 'primary = 1.2.3\nvirtual "a" {\n', "sha256": "1" * 64, "serial": 1},
        "server": {"changed": ["drain web1"]},
        "hand_over": {"role": "standby", "message": "done"},
        "set_aside": {"role": "standby", "message": "takes no part"},
        "take_part": {"role": "standby", "message": "takes part again"},
    }
    return {task: evil_document(document) for task, document in documents.items()}


class Taken(HTMLParser):
    """A page taken apart: what an attack would have to add to it, in words."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.foreign: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        if tag in ("evil", "img", "iframe", "object", "embed", "base", "style", "applet", "template"):
            self.foreign.append(f"<{tag}>")
        if tag == "script" and not (given.get("src") or "").startswith("/static/"):
            self.foreign.append(f"<script {given}>")
        if len(given) != len(attributes):
            self.foreign.append(f"<{tag}> has an attribute twice")
        for name, value in attributes:
            self.text.append(value or "")
            if name.startswith(("on", "evil", "hx-on", "srcdoc", "style")) or not name.isascii():
                self.foreign.append(f"<{tag} {name}>")
            if name in ("href", "src", "action", "formaction", "hx-get", "hx-post") and not is_ours(
                value or ""
            ):
                self.foreign.append(f"<{tag} {name}={value}>")

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def is_ours(address: str) -> bool:
    """Whether a link stays on this site, or leads to a virtual server's own address, which has no words."""
    is_here = address == "" or (address[0] in "/?#" and not address.startswith(("//", "/\\")))
    return is_here or SERVICE.fullmatch(address) is not None


def taken(page: str) -> Taken:
    """The page, taken apart."""
    parser = Taken()
    parser.feed(page)
    parser.close()
    return parser
