"""Which help pages there are, in which order, and which one explains which panel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page. name: of its address and its template; words: what somebody may look for it by."""

    name: str
    title: str
    part: str
    words: str = ""

    @property
    def template(self) -> str:
        """Where its text is."""
        return f"help/topics/{self.name}.html"


@dataclass(frozen=True, slots=True)
class Part:
    """Pages that belong together."""

    title: str
    pages: tuple[Page, ...]


def _part(title: str, *pages: tuple[str, str, str]) -> tuple[Page, ...]:
    return tuple(Page(name=name, title=text, part=title, words=words) for name, text, words in pages)


PAGES: tuple[Page, ...] = (
    *_part(
        "Introduction",
        ("introduction", "What a virtual server is", "LVS IPVS Piranha load balancer overview"),
        ("tiers", "Two tiers, three tiers, and the data", "database storage NFS replication rsync shared"),
        ("first-steps", "From nothing to a balanced request", "install set-up start begin quick"),
    ),
    *_part(
        "To decide",
        ("forwarding", "NAT, direct routing or tunneling", "masquerade DSR gateway droute ipip method"),
        ("schedulers", "Schedulers: who gets the next connection", "algorithm balancing round robin hash"),
        ("weights", "Weights, limits and load", "share threshold slow start agent capacity"),
        ("persistence", "Persistence", "sticky session affinity cookie"),
        ("marks", "Several ports as one service", "firewall mark fwmark port set HTTPS HTTP/3"),
        ("ftp", "FTP", "vsftpd active passive data connection"),
        ("failover", "Two routers: redundancy and failover", "heartbeat VRRP standby takeover sync daemon"),
        ("checks", "Checks and verdicts", "health monitoring nanny probe healthcheck"),
        ("hand", "The administrator's hand", "drain maintenance disable force"),
        ("real-servers", "What a real server needs", "ARP loopback gateway set-up script"),
        (
            "kernel",
            "Packet forwarding and the routers' kernel",
            "sysctl ip_forward firewall module rp_filter",
        ),
    ),
    *_part(
        "The panels",
        ("control", "CONTROL/MONITORING", "status dashboard traffic events"),
        ("global-settings", "GLOBAL SETTINGS", "primary network type NAT router timeout"),
        ("redundancy", "REDUNDANCY", "backup heartbeat key switch"),
        ("virtual-servers", "VIRTUAL SERVERS", "list import download"),
        ("virtual-server", "VIRTUAL SERVER", "edit service"),
        ("real-server", "REAL SERVER", "edit member"),
        ("monitoring-scripts", "MONITORING SCRIPTS", "send expect regular expression"),
        ("review", "Review and apply", "deploy confirm roll back pending"),
        ("routers", "Routers", "preflight rules parameters nftables"),
        ("history", "History", "revision compare undo take back"),
        ("alerts", "Alerts and metrics", "mail notify message Prometheus Grafana monitoring webhook chat"),
        ("accounts", "Accounts, roles and the audit log", "user password viewer operator permission"),
    ),
    *_part(
        "When something is wrong",
        ("clients-cannot-connect", "Clients cannot connect", "timeout refused no answer hang outage"),
        ("server-out", "A real server is out: why?", "failed down unhealthy"),
        ("flapping", "A real server comes and goes", "unstable flap up down"),
        ("both-active", "Both routers are active, or none", "split brain"),
        ("apply-failed", "An Apply was refused or cut me off", "changed outside silent error"),
        ("locked-out", "Locked out of this tool", "password allowlist 403 forbidden login"),
    ),
    *_part(
        "To look up",
        ("lvs-cf", "Every directive of lvs.cf", "file format keyword grammar reference"),
        ("other-tools", "Coming from another tool", "keepalived HAProxy ldirectord nginx F5 ipvsadm Piranha"),
        ("glossary", "Glossary", "words meaning terms"),
    ),
)
BY_NAME: Mapping[str, Page] = {page.name: page for page in PAGES}
PARTS: tuple[Part, ...] = tuple(
    Part(title, tuple(pages)) for title, pages in groupby(PAGES, key=lambda page: page.part)
)

# The page for a panel, by how the names of its addresses begin; the longest beginning counts.
OF_ADDRESSES: Mapping[str, str] = {
    "control": "control",
    "global-settings": "global-settings",
    "redundancy": "redundancy",
    "virtual-server": "virtual-server",
    "virtual-server-list": "virtual-servers",
    "virtual-server-bulk": "virtual-servers",
    "real-server": "real-server",
    "real-server-set-up": "real-servers",
    "real-server-order": "hand",
    "real-server-everywhere": "hand",
    "real-server-explained": "server-out",
    "monitoring": "monitoring-scripts",
    "router": "routers",
    "router-outside": "apply-failed",
    "machine": "real-server",
    "review": "review",
    "apply": "review",
    "history": "history",
    "revision": "history",
    "import": "virtual-servers",
    "alerts": "alerts",
    "audit": "accounts",
    "user": "accounts",
    "session": "accounts",
    "factor": "accounts",
    "access": "accounts",
    "change-password": "accounts",
    "cluster": "first-steps",
    "first": "first-steps",
}


def page_for(address_name: str) -> Page | None:
    """The page that explains the panel with an address of this name; None: the contents are all there is."""
    fitting = [start for start in OF_ADDRESSES if address_name.startswith(start)]
    return BY_NAME[OF_ADDRESSES[max(fitting, key=len)]] if fitting else None


def beside(page: Page) -> tuple[Page | None, Page | None]:
    """The pages before and after one."""
    at = PAGES.index(page)
    return (PAGES[at - 1] if at else None, PAGES[at + 1] if at + 1 < len(PAGES) else None)
