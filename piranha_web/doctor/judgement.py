"""How what was read is judged. Pure: readings in, findings out; times and sizes are arguments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from piranha_web.doctor.findings import Finding, fault, note, well
from piranha_web.setup import low_port

MIB = 1024 * 1024
LEAST_FREE, FEW_FREE = 0.03, 0.12  # of a disk
LEAST_BYTES = 200 * MIB
LEAST_NAMES = 1000  # files that can still be made
CLOCKS = 60.0  # seconds that two clocks may differ before TLS and logs suffer
SHORT_KEY = 50  # signs
RESTART = "systemctl restart {0}; what it says: journalctl -u {0}"
MEMORY = (
    "give Redis more (maxmemory in its configuration; at once: redis-cli CONFIG SET maxmemory 1gb), or look "
    "who fills it: redis-cli --bigkeys; a router that was taken over: piranha enrol ROUTER --revoke"
)


def disk(free: int, total: int, folder: str) -> Finding:
    """The disk that a folder is on; bytes."""
    share = free / total if total else 0.0
    said = f"{free // MIB} MiB free of {total // MIB} where {folder} is"
    if share < LEAST_FREE or free < LEAST_BYTES:
        return fault(
            "disk", said, f"make room: the database cannot be written soon. What is large: du -xh {folder}"
        )
    if share < FEW_FREE:
        return note("disk", said, f"what is large: du -xh {folder}")
    return well("disk", said)


def writable(folder: str, *, is_read_only: bool, names: int, left: int) -> Iterator[Finding]:
    """Whether files can be made there at all. names: of files that can be (0: nobody counts); left: more."""
    if is_read_only:
        remedy = "a disk with a fault is mounted so: dmesg says; then mount -o remount,rw, or mend it"
        yield fault(
            "disk", f"nothing can be written where {folder} is: it is mounted to be read only", remedy
        )
    elif names and left < LEAST_NAMES:
        said = f"only {left} more files can be made where {folder} is (inodes)"
        yield fault("disk", said, f"take files away: du --inodes -xd2 {folder} shows where many are")


def file(path: str, mode: int, owner: str, wanted_owner: str, *, is_secret: bool) -> list[Finding]:
    """A file or folder. mode: its last nine bits; wanted_owner: "" where it does not matter."""
    found = []
    if is_secret and mode & 0o077:
        said = f"others can get at {path} (mode {mode:04o})"
        found.append(fault("files", said, f"chmod go= {path}"))
    if mode & 0o002:
        found.append(fault("files", f"everybody can change {path}", f"chmod o-w {path}"))
    if wanted_owner and owner != wanted_owner:
        said = f"{path} belongs to {owner}, so that {wanted_owner} cannot use it"
        found.append(fault("files", said, f"chown -h {wanted_owner}:{wanted_owner} {path}"))
    return found


def link(path: str) -> Finding:
    """A link where a file or a folder of the site's should be: what is behind it, is not looked at."""
    said = f"{path} is a link, and may lead to a file that is none of the site's"
    remedy = (
        f"see where it leads: ls -l {path}; then put a plain one in its place, and leave what is behind it"
    )
    return fault("files", said, remedy)


def clock(is_synchronized: bool | None) -> Finding:
    """Whether somebody sets this machine's clock; None: nobody can say."""
    if is_synchronized is None:
        return note("clock", "this system does not say whether its clock is set by NTP")
    if not is_synchronized:
        return note(
            "clock", "nobody sets this machine's clock", "timedatectl set-ntp true (or install chrony)"
        )
    return well("clock", "set by NTP")


def key(text: str) -> Finding:
    """The key that signs sessions."""
    if len(text) < SHORT_KEY or len(set(text)) < 10:
        said = f"it has {len(text)} signs" if text else "there is none"
        return fault(
            "secret key",
            said,
            "piranha setup makes one; systemctl restart piranha-web then (all sessions end)",
        )
    return well("secret key", "there, and long enough")


def unit(name: str, *, is_active: bool, is_enabled: bool) -> Finding:
    """A service."""
    if not is_active:
        return fault(
            "services", f"{name} does not run", f"systemctl enable --now {name}; why: journalctl -u {name}"
        )
    if not is_enabled:
        return fault("services", f"{name} runs, but will not after the next boot", f"systemctl enable {name}")
    return well("services", f"{name} runs")


def port(where: str, status: int | None, *, is_ours: bool) -> Finding:
    """Who answers where the pages should be. status: HTTP's; None: nobody answers."""
    if status is None:
        return fault("pages", f"nobody answers at {where}", RESTART.format("piranha-web"))
    if not is_ours:
        said = f"something else answers at {where}"
        return fault("pages", said, "who: ss -ltnp; another port for the pages: piranha setup --port PORT")
    return well("pages", f"they answer at {where}")


def right_of_port(
    port: int, first_free: int, capabilities: str, *, private_users: bool, is_stale: bool
) -> Iterator[Finding]:
    """Whether the service of the pages has the right to its port, and no more than that.

    first_free: the first port that takes none; the others are what systemd says of the service: its ambient
    capabilities, whether its users are its own, and whether its unit was changed and not read since.
    """
    has_right = low_port.RIGHT in capabilities.lower().split() and not private_users
    if port < first_free and not has_right:
        said = f"piranha-web may not listen at port {port}: one below {first_free} takes a right of its own"
        yield fault("pages", said, "piranha setup gives it that")
    elif port >= max(first_free, low_port.FIRST_FREE) and low_port.RIGHT in capabilities.lower().split():
        said = f"piranha-web has the right to ports below {low_port.FIRST_FREE}, and is at port {port}"
        remedy = "piranha setup takes it away; one that you gave it yourself: systemctl edit piranha-web"
        yield note("pages", said, remedy)
    if is_stale:
        remedy = "systemctl daemon-reload; systemctl restart piranha-web"
        yield note("pages", "the unit of piranha-web was changed, and systemd has not read it since", remedy)


def database(name: str, trouble: str, unapplied: int, damage: str) -> Iterator[Finding]:
    """The database. damage: what its own check says against it."""
    if trouble:
        yield fault(
            "database",
            f"{name} cannot be used: {trouble}",
            "does it run, and is its disk full? piranha setup",
        )
        return
    if unapplied:
        said = f"{unapplied} migration{'s are' if unapplied != 1 else ' is'} missing"
        yield fault(
            "database", said, "systemctl restart piranha-web piranha-manager: the start brings it up to date"
        )
        return
    if damage:
        yield fault("database", f"{name} is damaged: {damage}", "restore a backup: piranha restore FILE")
        return
    yield well("database", f"{name} answers, is whole and up to date")


def way_to_database(host: str, *, is_encrypted: bool, is_verified: bool) -> Iterator[Finding]:
    """PostgreSQL on another machine. is_verified: whether its certificate must be of that host."""
    remedy = "sslmode=verify-full and sslrootcert=FILE in its URL (docs/databases.md)"
    if not is_encrypted:
        yield note("database", f"the way to {host} is not encrypted: whoever is on it reads all rows", remedy)
    elif not is_verified:
        yield note("database", f"whoever is on the way to {host} could pass for the database", remedy)


def redis(said: Mapping[str, Any], routers: Sequence[str]) -> Iterator[Finding]:
    """The manager's Redis. said: config, info, users (names), open (whether it asks for no password), plain
    (another machine that is reached without TLS, "").

    routers: those that are enrolled.
    """
    config, info = said["config"], said["info"]
    if said["plain"]:
        remedy = "have Redis serve TLS, and write rediss:// (docs/redis.md): piranha setup --redis-file FILE"
        plain = f"the way to {said['plain']} is not encrypted: passwords and keys of routers go over it"
        yield note("Redis", plain, remedy)
    if said["open"]:
        yield fault("Redis", "it lets everybody in without a password", "set one: docs/redis.md")
    if not config.get("aclfile") and routers:
        said_of = "it has no aclfile: after a restart the manager's worker has to put the users back"
        yield note("Redis", said_of, "name an aclfile in redis.conf (docs/redis.md), and restart it")
    if config.get("maxmemory-policy") not in (None, "noeviction"):
        policy = config["maxmemory-policy"]
        remedy = "maxmemory-policy noeviction in redis.conf; at once by redis-cli CONFIG SET, too"
        yield fault(
            "Redis", f"it throws away what it has when memory is short ({policy}), tasks included", remedy
        )
    yield memory(int(info.get("used_memory", 0)), int(config.get("maxmemory") or 0))
    for name in routers:
        if f"router.{name}" not in said["users"]:
            remedy = f"the manager's worker puts it back: {RESTART.format('piranha-manager')}"
            yield fault("Redis", f"{name} has no user there any more", remedy)


def memory(used: int, most: int) -> Finding:
    """How full Redis is; most 0: it has no limit."""
    if not most:
        remedy = (
            "maxmemory 512mb in redis.conf, so that a router that was taken over cannot fill this machine"
        )
        return note("Redis", f"it has no limit of memory, and uses {used // MIB} MiB", remedy)
    said = f"it uses {used // MIB} of {most // MIB} MiB"
    if used > 0.95 * most:
        return fault("Redis", f"{said}: it refuses to take more", MEMORY)
    return note("Redis", said, MEMORY) if used > 0.8 * most else well("Redis", said)


def worker(who: str, age: float | None, most: float, problem: str | None, unit_name: str) -> Finding:
    """A worker by its report. age: seconds; None: there is no report."""
    if age is None:
        return fault("workers", f"{who} never reported, or not for a day", RESTART.format(unit_name))
    if age > most:
        return fault("workers", f"{who} was heard {age:.0f} s ago", RESTART.format(unit_name))
    if problem:
        return fault("workers", f"{who} says: {problem}", "on that machine: piranha doctor")
    return well("workers", f"{who} was heard {age:.0f} s ago")


def versions(ours: str, theirs: Mapping[str, str]) -> Finding:
    """Whether the routers have the manager's version."""
    others = [f"{name} has {version}" for name, version in theirs.items() if version != ours]
    if others:
        remedy = "install the same packages on all of them; the standby first, then switch over"
        return note("versions", f"this manager has {ours}; {', '.join(others)}", remedy)
    return well("versions", f"{ours} everywhere")


def clocks(apart: Mapping[str, float]) -> Iterator[Finding]:
    """How far clocks are from Redis', seconds."""
    for name, seconds in apart.items():
        if abs(seconds) > CLOCKS:
            way = "ahead of" if seconds > 0 else "behind"
            said = f"{name} is {abs(seconds):.0f} s {way} Redis' machine"
            yield fault("clock", said, "on both: timedatectl set-ntp true")


def allowlist(problem: str, console: str, covered: bool, everybody: Sequence[str], count: int) -> Finding:
    """Who may reach the pages. console: from where this console is used, "": this machine's own."""
    if problem:
        return fault("access", problem, "mend that line, or begin anew: piranha allow reset")
    if console and not covered:
        said = f"you come from {console}, which may not reach the pages"
        return note("access", said, f"piranha allow add {console}")
    if everybody:
        said = f"{' and '.join(everybody)}: everybody who can send a packet here may try passwords"
        return note("access", said, f"piranha allow remove {everybody[0]}, after adding your own networks")
    return well("access", f"{count} network{'s' if count != 1 else ''} may reach the pages")


def pulse(status: Mapping[str, Any], ours: str) -> Iterator[Finding]:
    """What a router's pulse says of itself (ARCHITECTURE.md, status). ours: this command's version."""
    role = f"{status['name']} is {status['role']}"
    if status["mode"] != "kernel":
        yield note("pulse", f"{role}, and only plans: it writes nothing to the kernel")
    else:
        yield well("pulse", role)
    if status["serial"] is None:
        yield note("pulse", "nothing was applied yet", "set a cluster up in the panels, then Apply")
    if aside := status.get("aside"):
        why = aside["reason"] or "no reason given"
        said = f"{status['name']} is set aside by {aside['by']} and does not take over ({why})"
        yield note("pulse", said, "when the work is done: piranha aside --end")
    redundancy = status.get("redundancy")
    of_peer = redundancy["alarms"] if redundancy else ()  # which are among the problems, and said by peer()
    for problem in status["problems"]:
        if problem not in of_peer:
            yield fault("pulse", problem, "piranha status, piranha preflight")
    if status["version"] != ours:
        remedy = "systemctl restart pulse: the kernel balances on meanwhile"
        yield note("versions", f"pulse runs {status['version']}, installed is {ours}", remedy)
    if redundancy:
        yield from peer(redundancy)


def peer(redundancy: Mapping[str, Any]) -> Iterator[Finding]:
    """The other router of the pair."""
    for alarm in redundancy["alarms"]:
        yield fault("peer", alarm, "piranha status here and there; docs/redundancy.md")
    dead = [one["name"] for one in redundancy["links"] if not one["alive"]]
    heard = redundancy["peer"]
    if heard is None or not heard["alive"]:
        remedy = "does pulse run there, and does UDP get through on the heartbeat's port? docs/redundancy.md"
        yield fault("peer", "the other router is not heard", remedy)
    elif dead:
        yield fault(
            "peer", f"not heard by {', '.join(dead)}", "look at that network; the other way is the last one"
        )
    else:
        yield well("peer", f"heard by every way; it is {heard['role']}")


def remarks(found: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """What preflight says: its errors are faults."""
    errors = [one for one in found if one["level"] == "error"]
    for one in errors:
        yield fault("preflight", one["what"], one["remedy"])
    warnings = sum(one["level"] == "warning" for one in found)
    if warnings:
        said = f"{warnings} warning{'s' if warnings != 1 else ''}"
        yield note("preflight", said, "piranha preflight shows them")
    if not errors and not warnings:
        yield well("preflight", "nothing stands against what is in force")
