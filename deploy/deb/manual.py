"""What the manual pages say beyond argparse's words."""

from __future__ import annotations

DAEMONS = frozenset({"pulse"})  # section 8

FIRST = """ piranha looks after clusters of Linux Virtual Server: two routers that balance requests among
real servers, and a manager with panels in a browser. An administrator describes the cluster in the panels
and applies it; the manager's worker carries it to the worker of each router, and that to pulse, which
brings the kernel to it.

piranha setup sets a machine up. After that the commands on a router (status, server, failover, rules,
connections, preflight) ask the pulse of that machine, whatever has become of the manager; those on the
manager (passwd, allow, enrol, audit, tls, signing, unlock) work beside its web server.
"""

EXIT = """
0: done, or nothing is wrong. 1: refused, or something is wrong; a sentence on standard error says what, and
what to do. 2: the command line was wrong.
"""

_ROUTER = {
    "/etc/piranha/lvs.cf": "the configuration in force; lvs.cf.previous is the one before it",
    "/etc/piranha/checks": "programs that checks may start; root's alone to write",
    "/etc/piranha/commands": "programs that pulse starts when its role changes; root's alone to write",
    "/var/lib/piranha-router": "pulse's notes: the ledger of what it has put into the kernel, piranha.nft",
    "/run/piranha/pulse.sock": "where the commands ask pulse",
}
FILES = {
    "piranha": {
        "/etc/piranha/web.env": "settings of the panels and the manager, KEY=VALUE; piranha setup writes it",
        "/var/lib/piranha": "the manager's database, accounts and keys",
        **_ROUTER,
    },
    "pulse": {**_ROUTER, "/etc/default/pulse": "PULSE_OPTIONS: options for the service"},
    "worker": {"/var/lib/piranha/worker/worker.json": "what piranha join wrote: the way to the manager"},
    "join": {"/var/lib/piranha/worker/worker.json": "what the worker needs; root's and the worker's to read"},
    "allow": {"/var/lib/piranha/allow": "the networks that may reach the panels, a line each"},
    "passwd": {"/var/lib/piranha/piranha.passwd": "the accounts, as htpasswd writes them"},
}

SEE = {
    "piranha": ("piranha-pulse(8)", "piranha-worker(1)", "ipvsadm(8)", "nft(8)", "systemctl(1)"),
    "pulse": ("piranha(1)", "piranha-status(1)", "piranha-worker(1)", "ipvsadm(8)", "nft(8)", "systemd(1)"),
    "rules": ("piranha(1)", "piranha-pulse(8)", "nft(8)"),
    "connections": ("piranha(1)", "ipvsadm(8)"),
    "worker": ("piranha(1)", "piranha-join(1)", "piranha-enrol(1)", "piranha-pulse(8)"),
    "join": ("piranha(1)", "piranha-enrol(1)", "piranha-worker(1)"),
    "enrol": ("piranha(1)", "piranha-join(1)"),
}

MORE = {
    "pulse": {
        "SERVICE": """
pulse.service runs pulse as root, with few of root's rights. systemctl reload pulse has it read lvs.cf
again; systemctl restart pulse hands over to the other router, where there is one that can take over, and
interrupts nothing: without one the kernel goes on balancing, and the new pulse takes up what it finds.
systemctl stop pulse does the same; piranha clear then takes out of the kernel what pulse has put there.
""",
        "SIGNALS": """
SIGHUP: read lvs.cf again. SIGTERM, SIGINT: hand over and end. When pulse dies in any other way, its heart,
a small process of its own, holds the floating addresses for the dead time; if pulse has not come back by
then it takes them down, and the other router takes over.
""",
    },
    "worker": {
        "SERVICES": """
piranha-worker.service is the worker of a router, piranha-manager.service that of the manager. The first
starts once piranha join has written its file, the second once piranha setup has written the settings.
""",
    },
    "clear": {
        "NOTES": """
Kernel parameters (sysctl) and modules stay as they are, and so does what pulse never put there. lvs.cf
stays too: when pulse starts again, it brings all of it back.
""",
    },
}
