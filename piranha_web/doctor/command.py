"""`piranha doctor`: what this machine is to be, and how it is. Reads, and changes nothing."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from lvs.errors import LvsError
from piranha_web.doctor import of_machine, of_router
from piranha_web.doctor.findings import Finding, document, fault, is_sound, lines, summary
from piranha_web.doctor.limited import all_of
from piranha_web.setup.answers import Kind
from piranha_web.setup.place import Place
from piranha_web.setup.steps import SERVICES

SECONDS = of_machine.SITE_SECONDS + 3.0
LVS_CF = Path("/etc/piranha/lvs.cf")
Look = Callable[[], Iterable[Finding]]


def doctor_command(arguments: Namespace) -> int:
    """Prints what was found; 1 where something is a fault."""
    place = Place(Path("/") if arguments.root is None else arguments.root.absolute())
    try:
        found = all_of(looks(place, arguments.socket), SECONDS)
    except LvsError as error:
        found = [fault("settings", str(error), "run this as root")]
    if not found:
        found = [fault("set-up", "this machine is neither a manager nor a router", "piranha setup")]
    if arguments.json:
        sys.stdout.write(json.dumps(document(found), indent=2) + "\n")
    else:
        sys.stdout.writelines(f"{line}\n" for line in lines(found))
        sys.stdout.write(f"{summary(found)}\n")
    return 0 if is_sound(found) else 1


def looks(place: Place, socket: Path) -> dict[str, Look]:
    """What is to be looked at here, by what the machine is."""
    is_manager = bool(place.settings()) or (place.var / "piranha.sqlite3").exists()
    lvs_cf = place.root / LVS_CF.relative_to("/")
    is_router = place.worker_file.exists() or socket.exists() or lvs_cf.exists()
    found: dict[str, Look] = {}
    if is_manager:
        found |= {
            "settings": partial(of_machine.settings, place),
            "files": partial(of_machine.files, place),
            "site": partial(of_machine.site, place),
            "pages": partial(of_machine.pages, place),
        }
    if is_router:
        found |= {
            "pulse": partial(of_router.pulse, socket),
            "lvs.cf": partial(of_router.lvs_cf, lvs_cf),
            "preflight": partial(of_router.preflight, socket),
            "worker": partial(of_router.worker, place.worker_file),
            "kernel": of_router.kernel,
        }
    if found:
        names = services(place, is_manager=is_manager, is_router=is_router)
        found |= {
            "services": partial(of_machine.units, place, names),
            "disk": partial(of_machine.disk, place),
            "clock": of_machine.clock,
        }
    return found


def services(place: Place, *, is_manager: bool, is_router: bool) -> list[str]:
    """Those that should run here."""
    from_kinds = [
        *(SERVICES[Kind.MANAGER] if is_manager else ()),
        *(SERVICES[Kind.ROUTER] if is_router else ()),
    ]
    has_own_redis = (place.var / "redis" / "redis.conf").exists()
    return [one for one in from_kinds if has_own_redis or one != "piranha-redis"]
