"""Where the guide says more than a page of the help does."""

from __future__ import annotations

from collections.abc import Mapping

# By the help page: places of the guide, and what they are.
FURTHER: Mapping[str, tuple[tuple[str, str], ...]] = {
    "introduction": (("guide/initial.html", "Initial configuration"),),
    "first-steps": (
        ("guide/initial.html", "Initial configuration"),
        ("guide/nat.html", "NAT, step by step"),
        ("guide/direct.html", "Direct routing, step by step"),
        ("guide/tunnel.html", "Tunnelling, step by step"),
    ),
    "forwarding": (
        ("guide/nat.html", "NAT, step by step"),
        ("guide/direct.html", "Direct routing, step by step"),
        ("guide/tunnel.html", "Tunnelling, step by step"),
    ),
    "marks": (("router.html#several-ports-as-one-virtual-server", "Several ports, in depth"),),
    "ftp": (("router.html#ftp", "FTP, in depth"),),
    "failover": (("redundancy.html", "Two routers, in depth"),),
    "checks": (("checks.html", "Checks, in depth"),),
    "real-servers": (("real-servers.html", "Real servers, in depth"),),
    "kernel": (
        ("router.html#kernel-parameters", "Every kernel parameter"),
        ("router.html#the-rules-of-netfilter", "The rules of netfilter, in depth"),
    ),
    "redundancy": (("operations/replace-router.html", "Replacing a router"),),
    "routers": (
        ("enrolling.html", "TLS, and bringing a router to its manager"),
        ("operations/replace-router.html", "Replacing a router"),
    ),
    "history": (("backup.html", "Backup and restore"), ("operations/upgrade.html", "Upgrading")),
    "accounts": (("security.html", "Who may use it, in depth"),),
    "alerts": (("monitoring.html", "Metrics, alerts, health and logs, in depth"),),
    "clients-cannot-connect": (("operations/clients-cannot-connect.html", "The same at a router's console"),),
    "flapping": (("operations/flapping.html", "The same at a router's console"),),
    "both-active": (
        ("operations/both-active.html", "Both are active, at a console"),
        ("operations/none-active.html", "None is active, at a console"),
        ("operations/router-silent.html", "A router is silent"),
    ),
    "apply-failed": (("operations/apply-refused.html", "The same at a console"),),
    "locked-out": (("operations/locked-out.html", "The same, with what the commands print"),),
    "lvs-cf": (
        ("lvs.cf.html", "The grammar, the names of ports, an example"),
        ("reference/directives.html", "Each directive, with what an Apply does"),
    ),
    "other-tools": (
        ("moving/piranha.html", "Moving from Piranha"),
        ("moving/keepalived.html", "Moving from keepalived"),
        ("moving/ldirectord.html", "Moving from ldirectord"),
        ("moving/hand-work.html", "What replaces hand work"),
    ),
}
