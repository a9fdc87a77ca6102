"""A site in which every text was written by an attacker, and pages taken apart to see what came of it."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

from lvs import models, store
from lvs.versions import new_version
from tests.web.conftest import CONFIG
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
    """Whether a link stays on this site, as every link of a template does."""
    return address == "" or (address[0] in "/?#" and not address.startswith(("//", "/\\")))


def taken(page: str) -> Taken:
    """The page, taken apart."""
    parser = Taken()
    parser.feed(page)
    parser.close()
    return parser
