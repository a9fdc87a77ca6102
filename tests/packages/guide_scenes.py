"""What the guide has people type on installed machines: one that is all at once; a manager and its routers.

pulse plans only: these machines have this kernel. What takes IPVS is done in `tests/kernel/guide_scenes.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from lvs.config.check import load
from lvs.realservers import setups
from tests.packages.follow import Follower, Hand, Step
from tests.packages.machine import ENVIRONMENT, Machine, wait_until
from tests.packages.manual import commands, contents
from tests.terminal import Terminal

PASSWORD = "correct-horse-battery-7"
DATABASE_PASSWORD = "9-staple@elephant"
# Whoever presses Enter at each question, and types a password where one is wanted.
ENTER: Mapping[str, str] = {
    r"Password \(Enter: one is made and printed\): ": PASSWORD,
    r"Again: ": PASSWORD,
    r"\]: |\(Enter: it stays\): ": "",
}
INSTALLING, SET_UP, INITIAL = "docs/installing.md", "docs/set-up.md", "docs/guide/initial.md"
BACKUP, DATABASES, UPGRADE = "docs/backup.md", "docs/databases.md", "docs/operations/upgrade.md"
ENROLLING = "docs/enrolling.md"
REPLACE, REFUSED, OUT = ("docs/operations/replace-router.md", "docs/operations/apply-refused.md",
                         "docs/operations/locked-out.md")  # fmt: skip
CLIENTS = "docs/operations/clients-cannot-connect.md"


class Typist:
    """Somebody at a machine's shell, as root."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def typed(self, line: str, folder: str, answers: Mapping[str, str] | None) -> tuple[int, str]:
        """A line there, at a terminal where answers are given."""
        words = ["env", "-C", folder, f"PASSWORD={PASSWORD}", "bash", "-c", f"exec 2>&1\n{line}"]
        if answers is None:
            done = self.machine.run(*words)
            return done.returncode, done.stdout
        terminal = Terminal(self.machine.inside("setsid", "--ctty", "--wait", *words), ENVIRONMENT)
        status = terminal.answer(answers)
        return status, terminal.shown


def do(what: str, on: str, *lines: str) -> Hand:
    """What the scene does itself, on a machine."""

    def all_of_it(reader: Follower) -> None:
        for line in lines:
            status, said = reader.machines[on].typed(line, "/root", None)
            assert status == 0, f"{what}: {line}\n{said}"

    return Hand(what, all_of_it)


def write(on: str, path: str, text: str) -> Hand:
    """A file on a machine."""
    return do(path, on, f"install -D /dev/stdin {path} <<'END OF FILE'\n{text}END OF FILE")


def plans_only(on: str) -> Hand:
    """This kernel may have no IPVS; the file is the administrator's own from now on."""
    return write(on, "/etc/default/pulse", 'PULSE_OPTIONS="--planning --no-checks"\n')


def comes(what: str, on: str, line: str) -> Hand:
    """Waits until a command ends with 0."""
    return Hand(
        what, lambda reader: wait_until(lambda: reader.machines[on].typed(line, "/", None)[0] == 0, what)
    )


def serves(on: str) -> Hand:
    """Waits until the pages do, with all that they need."""
    return comes("the pages", on, "curl -sS --insecure --fail --max-time 5 https://localhost:3636/readyz")


def prometheus(reader: Follower) -> None:
    """Takes the metrics with the token that was printed."""
    line = f"curl --silent --insecure --fail -H 'Authorization: Bearer {reader.kept['metrics']}'"
    status, said = reader.machines["r1"].typed(f"{line} https://localhost:3636/metrics", "/", None)
    assert status == 0, said
    assert "piranha_up" in said


def script(name: str) -> str:
    """What the page of a real server offers to download under that name."""
    config = load(contents("docs/checks.md", "Kinds", "lvs"))
    return next(
        one.script
        for one in setups(config, None, config.virtual_servers[0].real_servers[0])
        if one.file_name == name
    )


PROGRAMS = commands("docs/checks.md", "Programs")
SSH_CONFIG = """\
Host *
    HostName 127.0.0.1
    StrictHostKeyChecking accept-new
Host store
    User store
"""
OWN_REDIS = "Redis, for routers on other machines"
DEFAULT_USER = "user default on >9staple ~* &* +@all"
BROKER = "rediss://:9staple@192.0.2.11:6380/0"


def of_r1(number: int) -> str:
    """The lines of the page for redis.conf (0), or for the settings (1), with the address of r1."""
    return (
        contents(ENROLLING, OWN_REDIS, number=number)
        .replace("192.0.2.1:", "192.0.2.11:")
        .replace("127.0.0.1 192.0.2.1\n", "127.0.0.1 192.0.2.11\n")
    )


MANAGER_ONLY, ROUTER_ONLY = (
    f"apt-get install ./piranha-common_*.deb ./piranha-{part}_*.deb" for part in ("web", "router")
)
DEVICE = (
    "from django.contrib.auth import get_user_model as model; "
    "from django_otp.plugins.otp_totp.models import TOTPDevice; "
    "TOTPDevice.objects.create(user=model().objects.get_or_create(username='anna')[0], confirmed=True)"
)
ODD = "primary = 192.0.2.1\nvirtual shop {\n    active = 1\n    address = 192.0.2.1\n    schedular = rr\n}\n"
SEALED = (
    "piranha backup --passphrase-file /root/backup.phrase - | ssh store 'cat > piranha-$(date +%F).piranha'"
)
URL = "postgresql://piranha:9-staple%40elephant@localhost/piranha"
JOIN = r"piranha join (\S+)"
TO_POSTGRESQL = "piranha database move @/var/lib/piranha/database.url"

MANAGER_WITH = "piranha setup --kind manager --router r1 --router r2 --reached-at manager.example.org"
AS_MANAGER = {r"This machine \[single\]: ": "manager", r"Reached at \[.*\]: ": "manager.example.org", **ENTER}

# Installed, set up and looked at, as whoever has one machine reads it.
BEGIN: tuple[Step | Hand, ...] = (
    Step(page=INSTALLING, heading="Installing", on="r1", folder="/exchange/debs",
         only=(MANAGER_ONLY, ROUTER_ONLY), answers={ROUTER_ONLY: {r"\[Y/n\] ": "y"}},
         says={MANAGER_ONLY: "Set it up: piranha setup", ROUTER_ONLY: "pulse runs, and does nothing yet"}),
    plans_only("r1"),
    do("pulse plans", "r1", "systemctl restart pulse"),
    Step(page=INSTALLING, heading="Installing", on="r1", only=("piranha setup",),
         answers={"piranha setup": ENTER}, says={"piranha setup": "What is still wrong: piranha doctor"}),
    serves("r1"),
    *(Step(page=page, heading=heading, on="r1", answers={command: ENTER}, says={command: "Nothing to do"})
      for page, heading, command in (
          (SET_UP, "Setting it up", "piranha setup"), (INITIAL, "Install and set up", "piranha setup"),
          (SET_UP, "One machine", "piranha setup --kind single"))),
    Step(page=SET_UP, heading="What is wrong here?", on="r1", ends={"piranha doctor": 1},
         says={"piranha doctor": r"(?s)well +pages: they answer.*fault +kernel: IPVS is not there"}),
    Step(page=INITIAL, heading="Who may reach the pages", on="r1",
         says={'piranha allow add 192.0.2.0/24 --note "the office"': "192.0.2.0/24 may reach the site"}),
    do("anna has a second factor", "r1", "piranha passwd anna --random",
       f'piranha manage shell -c "{DEVICE}"'),
    Step(page=INITIAL, heading="The password", on="r1",
         answers={"piranha passwd": {"[Pp]assword.*: |[Aa]gain.*: ": PASSWORD}},
         says={"piranha passwd anna --no-second-factor": "no second factor any more"}),
    Step(page=INITIAL, heading="Is it all right?", on="r1", ends={"piranha doctor": 1},
         says={"piranha preflight": "Nothing stands against it", "piranha status": r"^r1 \(primary\)"}),
    Step(page=SET_UP, heading="Without questions", on="r1",
         comes={'echo "$PASSWORD" | piranha setup --yes --kind single --router r1 --allow 192.0.2.0/24 '
                "--password-stdin": "The pages: |Nothing to do"}),
)  # fmt: skip
# What is looked at and changed at a console of it.
CONSOLE: tuple[Step | Hand, ...] = (
    Step(page="docs/monitoring.md", on="r1", only=("piranha metrics token",),
         keeps={"piranha metrics token": {"metrics": "(?m)^(piranha-metrics-.*)$"}}),
    Hand("Prometheus comes", prometheus),
    do("node_exporter is there", "r1", "mkdir -p /var/lib/prometheus/node-exporter"),
    Step(page="docs/monitoring.md", on="r1",
         only=("piranha metrics > /var/lib/prometheus/node-exporter/piranha.prom.new",
               "mv /var/lib/prometheus/node-exporter/piranha.prom.new "
               "/var/lib/prometheus/node-exporter/piranha.prom")),
    Step(page=INITIAL, heading="Packet forwarding and kernel parameters", on="r1",
         says={"piranha preflight --parameters": "net/ipv4/ip_forward = "}),
    Step(page="docs/redis.md", on="r1",
         says=dict.fromkeys(("piranha redis", "piranha redis --from-database"), "1 router may use Redis")),
    Step(page="docs/router.md", heading="The panel's port", on="r1", only=(
        "piranha guard", "piranha guard --port 3636 --allow 192.0.2.0/24 2001:db8:1::/48")),
    Step(page=OUT, heading="The guard keeps you out", on="r1",
         says={"piranha guard": re.escape(contents(OUT, "The guard keeps you out"))[:-2]}),
    Step(page="docs/router.md", heading="The panel's port", on="r1", only=("piranha guard --off",),
         says={"piranha guard --off": "No port of this router is guarded"}),
    Step(page="docs/operations/flapping.md", on="r1", only=("journalctl -u pulse --since -1h",),
         says={"journalctl -u pulse --since -1h": "STARTING PULSE AS MASTER"}),
    do("keys, and a machine for backups", "r1", "ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519",
       "install -m 0600 /root/.ssh/id_ed25519.pub /root/.ssh/authorized_keys", "useradd --create-home store",
       "install -D -o store /root/.ssh/id_ed25519.pub /home/store/.ssh/authorized_keys",
       "systemctl unmask ssh", "systemctl start ssh"),
    write("r1", "/root/.ssh/config", SSH_CONFIG),
    Step(page=OUT, heading="From the manager's own machine", on="r1"),
    Step(page="docs/checks.md", heading="Programs", on="r1", only=PROGRAMS[:3]),
    Step(page="docs/checks.md", heading="Programs", on="r1", folder="/etc/piranha/checks", only=PROGRAMS[3:],
         own={"192.0.2.12": "127.0.0.1"}),
    write("r1", "/root/odd/lvs.cf", ODD),
    write("r1", "/root/lvs.cf", contents("docs/lvs.cf.md", "An example", "lvs")),
    Step(page=REFUSED, heading="At a console", on="r1", folder="/root/odd", only=("piranha check lvs.cf",),
         ends={"piranha check lvs.cf": 1}, says={"piranha check lvs.cf": re.escape(contents(
             REFUSED, "At a console"))[:-2]}),
    Step(page=REFUSED, heading="At a console", on="r1", only=("piranha preflight lvs.cf",),
         ends={"piranha preflight lvs.cf": 1}, says={"piranha preflight lvs.cf": "(?m)^error: "}),
    Step(page="docs/lvs.cf.md", on="r1", own={"FILE": "lvs.cf"}),
    Step(page="docs/moving/piranha.md", on="r1"),
    Step(page=REPLACE, heading="It was the only router", on="r1", ends={"piranha preflight lvs.cf": 1}),
    Step(page=REPLACE, heading="A pair without a manager", on="r1"),
    Step(page=CLIENTS, heading="In one minute", on="r1", only=("piranha preflight",),
         ends={"piranha preflight": 1}),
)  # fmt: skip
# Its backup, its database, its upgrade's way back, and its end.
KEPT: tuple[Step | Hand, ...] = (
    write("r1", "/root/backup.phrase", "a phrase of twelve signs and more\n"),
    Step(page=BACKUP, heading="Backup and restore", on="r1", says={SEALED: ""}),
    Step(page=BACKUP, heading="What is in it", on="r1", own={"FILE": "/root/piranha-????-??-??.piranha"},
         says={"piranha restore --check FILE": "It is whole"}),
    Step(page=UPGRADE, heading="Before", on="r1", ends={"piranha doctor": 1}),
    Step(page=UPGRADE, heading="Back", on="r1", ends={"piranha doctor": 1},
         says={"piranha restore --force /root/piranha-before.backup": "Restored [0-9]+ rows"}),
    serves("r1"),
    do("a PostgreSQL", "r1", "systemctl unmask postgresql postgresql@15-main", "systemctl start postgresql",
       f"install -m 0600 -o piranha /dev/stdin /var/lib/piranha/database.url <<<'{URL}'"),
    comes("PostgreSQL", "r1", "runuser -u postgres -- psql -c 'select 1'"),
    Step(page=DATABASES, heading="PostgreSQL", on="r1", answers={
        "runuser -u postgres -- createuser --pwprompt piranha": {"(role|again): ": DATABASE_PASSWORD}}),
    Step(page=DATABASES, heading="Moving", on="r1", says={TO_POSTGRESQL: "Moved [0-9]+ rows"}),
    serves("r1"),
    do("it is another one", "r1", "piranha database show | grep PostgreSQL"),
    Step(page=DATABASES, heading="The way back", on="r1"),
    serves("r1"),
)  # fmt: skip
# A Redis of the administrator's own, for routers on other machines.
REDIS: tuple[Step | Hand, ...] = (
    Step(page=ENROLLING, heading=OWN_REDIS, on="r1", own={"192.0.2.1": "192.0.2.11"}),
    write("r1", "/etc/redis/redis.conf", "supervised systemd\n" + of_r1(0)),
    do(
        "its user",
        "r1",
        f"install -o redis /dev/stdin /etc/redis/users.acl <<<'{DEFAULT_USER}'",
        "systemctl unmask redis-server",
        "systemctl start redis-server",
        f"install -m 0600 -o piranha /dev/stdin /var/lib/piranha/broker.url <<<'{BROKER}'",
    ),
    do(
        "the settings",
        "r1",
        f"cat >>/etc/piranha/web.env <<'END'\n{of_r1(1)}END",
        "systemctl restart piranha-web piranha-manager",
    ),
    serves("r1"),
    comes("the routers' users in it", "r1", "grep 'user router.r1' /etc/redis/users.acl"),
)
# It is taken away, and what is left becomes a real server.
REMOVED: tuple[Step | Hand, ...] = (
    Step(page=INSTALLING, heading="To remove", on="r1"),
    do("apt takes it away", "r1", "apt-get purge --yes piranha-common piranha-web piranha-router"),
    write("r1", "/root/web1-direct.sh", script("web1-direct.sh")),
    Step(page="docs/real-servers.md", heading="The scripts", on="r1"),
)
# Two machines, and a third that takes the place of the second.
MANAGER: tuple[Step | Hand, ...] = (
    Step(page=INSTALLING, heading="Installing", on="manager", folder="/exchange/debs", only=(MANAGER_ONLY,)),
    *(Step(page=INSTALLING, heading="Installing", on=name, folder="/exchange/debs", only=(ROUTER_ONLY,))
      for name in ("r1", "r2")),
    *(one for name in ("r1", "r2")
      for one in (plans_only(name), do("it plans", name, "systemctl restart pulse"))),
    Step(page=SET_UP, heading="A manager, and its routers", on="manager", only=(MANAGER_WITH,),
         answers={MANAGER_WITH: {r"Networks \[.*\]: ": "1 2 3 4 5", **ENTER}},
         keeps={MANAGER_WITH: {name: rf"(?s)Run this on {name}, .*?{JOIN}" for name in ("r1", "r2")}}),
    serves("manager"),
    Step(page=SET_UP, heading="A manager, and its routers", on="r1", own={"TOKEN": "{r1}"},
         only=("piranha setup --kind router --token TOKEN",),
         answers={"piranha setup --kind router --token TOKEN": ENTER}),
    Step(page=SET_UP, heading="A manager, and its routers", on="r2", own={"TOKEN": "{r2}"},
         only=("piranha join TOKEN",)),
    Step(page=REPLACE, heading="The new machine", on="manager", only=("piranha enrol r2",),
         keeps={"piranha enrol r2": {"r2": JOIN}}),
    Step(page=REPLACE, heading="The new machine", on="r2", own={"TOKEN": "{r2}"},
         only=("piranha setup --kind router --token TOKEN", "piranha status", "piranha preflight"),
         answers={"piranha setup --kind router --token TOKEN": ENTER}),
    *(one for page, heading in ((INITIAL, "Bring the routers to their manager"), (ENROLLING, "A router"))
      for one in (
          Step(page=page, heading=heading, on="manager", only=("piranha enrol r1",),
               keeps={"piranha enrol r1": {"r1": JOIN}}),
          Step(page=ENROLLING, heading="A router", on="r1", only=("piranha join TOKEN",),
               own={"TOKEN": "{r1}"}),
      )),
    do("its worker begins anew", "r1", "systemctl restart piranha-worker"),
    do("the manager has them", "manager", "piranha backup /exchange/of-manager"),
)  # fmt: skip
NEW_MANAGER: tuple[Step | Hand, ...] = (
    Step(page=INSTALLING, heading="Installing", on="new", folder="/exchange/debs", only=(MANAGER_ONLY,)),
    do("it is to be a manager", "new", "cp /exchange/of-manager /root/of-manager"),
    Step(page=BACKUP, heading="Restore", on="new", own={"FILE": "of-manager"},
         answers={"piranha setup": AS_MANAGER}, says={"piranha restore --force FILE": "Restored [0-9]+ rows"},
         comes={"piranha doctor": r"(?s)well +workers: the worker of r1.*well +workers: the worker of r2"}),
)  # fmt: skip
SCENES = {"BEGIN": BEGIN, "CONSOLE": CONSOLE, "KEPT": KEPT, "REDIS": REDIS, "REMOVED": REMOVED,
          "MANAGER": MANAGER, "NEW_MANAGER": NEW_MANAGER}  # fmt: skip
