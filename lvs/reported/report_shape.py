"""The shapes of what routers write into Redis: reports, briefs, answers (ARCHITECTURE.md). Pure.

A router can be anybody's by now, and so can Redis. What comes from there is judged when it is read, before
anything looks into it: no page and no work of the manager stumbles over a wrong type, and a report that does
not fit is said not to be understood, with the name of its router. That what fits is also true nobody can
see; the pages show it as text of that router.
"""

from __future__ import annotations

from lvs.reported.shape import (
    Kind,
    either,
    flag,
    listed,
    long_text,
    mapped,
    maybe,
    moment,
    natural,
    number,
    one_of,
    pair,
    record,
    text,
)

# No names of ours: a newer pulse may have further ones, and pages show what they do not know as it is.
TEXTS = listed(text)
ROLE = one_of("active", "standby")

COUNTERS = record(
    {
        "connections": natural,
        "packets_in": natural,
        "packets_out": natural,
        "bytes_in": natural,
        "bytes_out": natural,
        "active": natural,
        "inactive": natural,
    },
    {"persistent": natural},
)
HAND = record(
    {"order": text, "by": maybe(text), "reason": maybe(text), "at": moment, "until": maybe(moment)},
    {"virtual_server": text, "real_server": text},
)
REAL_SERVER = record(
    {
        "name": text,
        "address": text,
        "port": maybe(natural),
        "weight": maybe(natural),
        "configured_weight": maybe(natural),
        "health": text,
        "reason": maybe(text),
        "since": maybe(moment),
        "counters": maybe(COUNTERS),
    },
    {
        "checked_at": maybe(moment),
        "hand": maybe(HAND),
        "why": maybe(text),
        "protected": flag,
        "flapping": flag,
        "warning": maybe(text),
        "check": maybe(text),
    },
)
DEPARTING = record(
    {
        "name": text,
        "address": text,
        "port": maybe(natural),
        "until": maybe(moment),
        "counters": maybe(COUNTERS),
    }
)
SORRY_SERVER = record(
    {"address": text, "port": maybe(natural), "weight": maybe(natural), "counters": maybe(COUNTERS)}
)
PART = record(
    {
        "name": text,
        "key": text,
        "in_kernel": flag,
        "counters": maybe(COUNTERS),
        "real_servers": listed(REAL_SERVER),
        "sorry_server": maybe(SORRY_SERVER),
        "scheduler": text,
        "forwarding": maybe(text),
        "persistence": maybe(natural),
    },
    {
        "protected": natural,
        "departing": listed(DEPARTING),
    },
)
LINK = record(
    {
        "name": text,
        "own": maybe(text),
        "peer": maybe(text),
        "alive": flag,
        "heard_at": maybe(moment),
        "sent": natural,
        "received": natural,
        "lost": natural,
    }
)
PEER = record(
    {
        "node": text,
        "role": text,
        "fit": flag,
        "yielding": flag,
        "hears": flag,
        "heard_at": maybe(moment),
        "alive": flag,
        "serial": maybe(natural),
        "sha256": maybe(text),
        "healthy": maybe(natural),
        "total": maybe(natural),
    }
)
REDUNDANCY = record(
    {
        "stage": text,
        "role": text,
        "since": moment,
        "reason": text,
        "fit": flag,
        "unfit": TEXTS,
        "peer": maybe(PEER),
        "links": listed(LINK),
        "refused": mapped(natural),
        "transitions": listed(record({"at": moment, "role": text, "reason": text})),
        "peer_holds": flag,
        "strangers": listed(record({"at": moment, "address": text, "mac": text, "interface": text})),
        "keys": record({"newest": maybe(text), "peer_has_newest": maybe(flag)}),
        "hand_over_refused": TEXTS,
        "alarms": TEXTS,
        "heart": record({"pid": maybe(natural), "alive": flag}),
    }
)
LAST_CHANGE = record(
    {
        "at": moment,
        "cause": text,
        "changes": TEXTS,
        "refused": listed(record({"change": text, "reason": text})),
    }
)
SUMMARY = record(
    {
        "virtual_servers": natural,
        "real_servers": natural,
        "whole": flag,
        "unread": natural,
        "counts": mapped(natural),
        "services": mapped(natural),
        "attention": natural,
    }
)
GUARD = record({})  # lvs.sent.guarding judges it, and has a router told that says something else
ASIDE = record({"by": text, "reason": text, "at": moment, "until": maybe(moment)})
UNCONFIRMED = record({"serial": natural, "seconds_left": number, "back_to": maybe(natural)})


def _five(value: object) -> bool:
    """Connections, packets in and out, bytes in and out."""
    return type(value) is list and len(value) == 5 and all(map(natural, value))


COUNTED = record(
    {
        "checks": listed(
            record({"kind": text, "result": text, "within": listed(natural), "seconds": number})
        ),
        "roles": listed(record({"role": text, "reason": text, "count": natural})),
    }
)
STATUS = record(
    {
        "name": text,
        "node": text,
        "role": ROLE,
        "mode": text,
        "now": moment,
        "started_at": moment,
        "serial": maybe(natural),
        "sha256": maybe(text),
        "installed_at": maybe(moment),
        "version": text,
        "problems": TEXTS,
        "events": listed(record({"at": moment, "level": text, "text": text})),
        "addresses": listed(
            record({"address": text, "interface": text, "label": maybe(text), "present": flag})
        ),
        "virtual_servers": listed(PART),
        "foreign": listed(PART),
    },
    {
        "pid": natural,
        "last_change": maybe(LAST_CHANGE),
        "redundancy": maybe(REDUNDANCY),
        "sync": listed(record({"state": text, "interface": text, "id": natural})),
        "unconfirmed": maybe(UNCONFIRMED),
        "guard": maybe(GUARD),
        "aside": maybe(ASIDE),
        "summary": SUMMARY,
        "counted": COUNTED,
    },
)
STATES = mapped(pair(text, mapped(natural)))  # how each virtual server stands, by name
COUNTS = mapped(maybe(_five))  # what the kernel has counted for each, by name
REPORT = record({"at": number, "pulse": maybe(STATUS), "problem": maybe(text)})
BRIEF = record(
    {"at": number, "answers": flag},
    {
        "role": maybe(ROLE),
        "serial": maybe(natural),
        "sha256": maybe(text),
        "knows_confirmation": flag,
        "unconfirmed": maybe(natural),
        "key": maybe(text),
        "guard": maybe(GUARD),
    },
)

# ---- answers to tasks

PROBLEM = record({"line": maybe(natural), "severity": text, "message": text})
PROBLEMS = listed(PROBLEM)
ERROR = record({"kind": text, "message": text, "problems": PROBLEMS})
GOOD = record({"ok": lambda value: value is True, "result": lambda value: type(value) is dict})
BAD = record({"ok": lambda value: value is False, "error": ERROR})
ANSWER = either(GOOD, BAD)

REMARKS = listed(
    record({"level": text, "about": text, "what": text, "why": text, "remedy": text, "evidence": text})
)
TEST = record(
    {
        "ok": flag,
        "reason": text,
        "warning": maybe(text),
        "duration": number,
        "transcript": listed(record({"at": number, "what": text, "text": long_text})),
    }
)
VERDICT = record(
    {
        "health": text,
        "reason": maybe(text),
        "since": maybe(moment),
        "checked_at": maybe(moment),
        "streak": natural,
        "flapping": flag,
        "warning": maybe(text),
    }
)
RUN = record(
    {"ok": flag, "reason": text, "first": moment, "last": moment, "count": natural, "slowest": number}
)
LOAD = record({"factor": maybe(number), "word": maybe(text), "reason": maybe(text), "at": maybe(moment)})
EXPLAINED = record(
    {
        "check": text,
        "interval": maybe(number),
        "verdict": VERDICT,
        "history": listed(RUN),
        "hand": maybe(HAND),
        "load": maybe(LOAD),
        "weight": maybe(record({"configured": maybe(natural), "wanted": maybe(natural), "why": maybe(text)})),
        "test": maybe(TEST),
    }
)
PARAMETERS = listed(
    record(
        {
            "path": text,
            "wanted": maybe(text),
            "found": maybe(text),
            "why": text,
            "when": text,
            "persisted": maybe(record({"value": text, "place": text})),
        }
    )
)


def _connection(value: object) -> bool:
    """Protocol, client, port, virtual address, port, real server, port, state, seconds."""
    if type(value) is not list or len(value) != 9:
        return False
    kinds = (text, text, natural, text, natural, text, natural, text, natural)
    return all(kind(one) for kind, one in zip(kinds, value, strict=True))


def _place_and_count(value: object) -> bool:
    """Address, port, number."""
    if type(value) is not list or len(value) != 3:
        return False
    return text(value[0]) and natural(value[1]) and natural(value[2])


COUNT = {"packets": natural, "bytes": natural}
MARK = record(
    {"virtual_server": text, "address": text, "protocol": text, "ports": text, "fwmark": natural, **COUNT}
)
RULES = record(
    {
        "nft": long_text,
        "iptables": long_text,
        "saved": maybe(record({"path": text, "at": moment})),
        "drift": TEXTS,
        "marks": listed(MARK),
        "masquerade": maybe(record({"real_servers": TEXTS, **COUNT})),
        "guard": maybe(record({"port": natural, "networks": TEXTS, **COUNT})),
        "modules": listed(record({"name": text, "loaded": flag, "why": text})),
        "remarks": REMARKS,
    }
)
CONNECTIONS = record(
    {
        "connections": listed(_connection, 1000),
        "looked_at": natural,
        "matched": natural,
        "persistence": natural,
        "cut": flag,
        "seconds": number,
        "states": mapped(natural),
        "real_servers": listed(_place_and_count, 1000),
        "clients": listed(pair(text, natural), 1000),
    }
)
INSTALLED = record(
    {"changes": TEXTS, "refused": listed(record({"change": text, "reason": text})), "seconds": number}
)
RULE_CHANGES = record(
    {
        "words": TEXTS,
        "more_words": natural,
        "difference": listed(pair(one_of("add", "remove", "place", "same"), text)),
        "more_lines": natural,
    }
)

# The results of those tasks whose answers are read further than whether it went well.
RESULTS: dict[str, Kind] = {
    "piranha.apply": INSTALLED,
    "piranha.plan": record({"changes": TEXTS, "problems": PROBLEMS}, {"netfilter": maybe(RULE_CHANGES)}),
    "piranha.running": record({"lvs_cf": maybe(long_text), "sha256": maybe(text), "serial": maybe(natural)}),
    "piranha.connections": CONNECTIONS,
    "piranha.server": record({"changed": TEXTS}),
    "piranha.explain": EXPLAINED,
    "piranha.try_check": record({"check": text, "test": maybe(TEST)}),
    "piranha.preflight": record(
        {"remarks": REMARKS, "parameters": PARAMETERS, "seconds": number},
        {
            "interfaces": listed(record({"name": text, "carries": flag, "addresses": TEXTS})),
            "ways_out": mapped(maybe(record({"interface": text, "gateway": maybe(text)}))),
        },
    ),
    "piranha.rules": RULES,
    "piranha.examine": record(
        {
            "remarks": REMARKS,
            "tried": listed(record({"what": text, "good": maybe(flag), "said": text})),
            "seconds": number,
        }
    ),
    "piranha.hand_over": record({"message": text}),
    "piranha.take_over_by_force": record({"message": text}),
    "piranha.set_aside": record({"message": text}),
    "piranha.take_part": record({"message": text}),
}
