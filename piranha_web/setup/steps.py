"""What has to be done so that an installation is as the answers say: only what is not so already."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from lvs.machines import rights
from piranha_web import installed
from piranha_web.setup import answers as judged
from piranha_web.setup import low_port, own_redis
from piranha_web.setup.answers import SQLITE, Answers, Kind
from piranha_web.setup.networks import NOBODY, Offer
from piranha_web.setup.own_redis import CONFIGURATION, FOLDER, USERS
from piranha_web.setup.place import NotSetUp, Place
from piranha_web.setup.questions import Password, Present
from piranha_web.tls import authority, names
from piranha_web.tls.certificates import chain, covers, described
from piranha_web.tls.serving import OWN, Serving

SERVICES = {
    Kind.SINGLE: ("piranha-redis", "piranha-web", "piranha-manager", "pulse", "piranha-worker"),
    Kind.MANAGER: ("piranha-redis", "piranha-web", "piranha-manager"),
    Kind.ROUTER: ("pulse", "piranha-worker"),
}
RESTARTED = ("piranha-redis", "piranha-web", "piranha-manager")  # with other settings; pulse never is
SERVICE_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to be done. what: in words; do: does it and gives what must be printed, "": nothing."""

    what: str
    do: Callable[[], str]


class Manager:
    """The steps of a manager, or of a single machine."""

    def __init__(
        self,
        place: Place,
        present: Present,
        answers: Answers,
        networks: tuple[Offer, ...] | None,
        password: Password,
    ) -> None:
        self.place = place
        self.present = present
        self.answers = answers
        self.networks = networks
        self.password = password
        self.settings = judged.settings_of(answers, place.var, present.settings.get("PIRANHA_HOSTS", ""))
        self.redis_url = own_redis.wanted_url(answers, present.redis, present.redis_configuration)
        self.changes_settings = False
        self.changes_unit = False

    def steps(self) -> list[Step]:
        """All of them, in their order."""
        unit = list(self.right_of_port())
        files = [*self.files(), *unit, *self.redis_files()]
        self.changes_settings, self.changes_unit = bool(files), bool(unit)
        return [*files, *self.rows(), *self.access(), *self.own_router()]

    def with_redis(self, do: Callable[[], str]) -> Callable[[], str]:
        """The same, with our Redis running meanwhile."""

        def done() -> str:
            with own_redis.running(self.place, self.redis_url, own_redis.ca_of(self.settings)):
                return do()

        return done

    def files(self) -> Iterator[Step]:
        """The settings, and the secrets that they name."""
        place, var = self.place, self.place.var
        if not place.secret("secret.key"):
            path = var / "secret.key"
            yield writing(place, path, secrets.token_urlsafe(48), "the key that signs sessions")
        if place.secret("broker.url") != self.redis_url:
            shown = judged.shown(self.redis_url)
            yield writing(place, var / "broker.url", f"{self.redis_url}\n", f"the way to Redis, {shown}")
        url = "" if self.answers.database == SQLITE else self.answers.database
        if url and place.secret("database.url") != url:
            yield writing(place, var / "database.url", f"{url}\n", f"the database, {judged.shown(url)}")
        before = place.settings_text()
        after = judged.merged(before, self.settings, installed.line_of)
        if after != before:
            said = [line for line in after.splitlines() if line not in before.splitlines()]
            gone = [
                name for name, value in self.settings.items() if value is None and name in place.settings()
            ]
            words = ", ".join([*said, *(f"no {name}" for name in gone)])
            yield Step(f"Write {place.env_file}: {words}", doing(place.write, place.env_file, after, 0o644))

    def right_of_port(self) -> Iterator[Step]:
        """The service's right to a port below 1024, or that it goes."""
        path = self.place.root / low_port.DROP_IN.relative_to("/")
        text, port = low_port.wanted(self.answers), self.answers.port
        if text and (not path.is_file() or path.read_text(encoding="utf-8", errors="replace") != text):
            what = f"Write {path}: piranha-web may listen at port {port}"
            yield Step(what, doing(self.place.write, path, text, 0o644))
        elif not text and path.is_file():
            yield Step(f"Take {path} away: port {port} takes no right of its own", doing(path.unlink, True))

    def redis_files(self) -> Iterator[Step]:
        """Our own Redis' configuration, users and certificate."""
        if not self.answers.has_own_redis:
            return
        place, folder = self.place, self.place.var / FOLDER
        text = own_redis.configuration(folder, self.answers.kind, self.answers.own_port)
        if text != self.present.redis_configuration:
            what = f"Redis' own configuration ({own_redis.reached_at(self.answers)})"
            yield writing(place, folder / CONFIGURATION, text, what)
        password = self.redis_url.partition("://:")[2].rpartition("@")[0]
        before = place.secret(f"{FOLDER}/{USERS}")
        after = own_redis.users(before, password)
        if after.splitlines()[0] not in before.splitlines():
            yield writing(place, folder / USERS, after, "Redis' users")
        if self.answers.kind is Kind.MANAGER:
            wanted = names.of_this_machine([self.answers.reached_at])
            path = folder / authority.REDIS_CERTIFICATE
            host = self.answers.reached_at
            if not rights.below(path, lambda: path.exists() and is_for(path, host, place.var), NotSetUp):
                what = f"Make Redis' certificate {path}, signed by this manager's own authority"
                yield Step(what, lambda: self.make_certificate(folder, wanted))

    def make_certificate(self, folder: Path, wanted: tuple[str, ...]) -> str:
        """Redis', for these names."""

        def sign() -> None:
            authority.sign_for_redis(self.place.var, folder, wanted, datetime.now(UTC))

        for one in (self.place.var, folder):
            self.place.make(one)
        rights.below(folder, sign, NotSetUp)
        made = [
            folder / one for one in (authority.REDIS_CERTIFICATE, authority.REDIS_KEY, authority.CERTIFICATE)
        ]
        own = [self.place.var / one for one in (authority.CERTIFICATE, authority.KEY, "ca.lock")]
        for path in (*made, *own):
            self.place.give(path)
        return ""

    def rows(self) -> Iterator[Step]:
        """The tables, and the cluster with its routers."""
        state, place = self.present.state, self.place
        if not state["migrated"]:
            what = (
                "an SQLite file" if self.answers.database == SQLITE else judged.shown(self.answers.database)
            )
            yield self.command(f"Make the tables of the database ({what})", "manage", "migrate", "--no-input")
        known = [one["name"] for one in state["routers"]]
        missing = [name for name in self.answers.routers if name not in known]
        if not missing:
            return
        if len(missing) < len(self.answers.routers):
            raise NotSetUp(
                f"{missing[0]} is to join the cluster of another router: add it on the page Redundancy, and "
                "leave it out here."
            )
        primary, *backup = missing
        words = ("manage", "create_cluster", self.answers.cluster, "--primary", primary)
        more = ("--backup", backup[0]) if backup else ()
        what = f"Create the cluster {self.answers.cluster} with {' and '.join(missing)}"
        yield Step(what, lambda: quiet(place.run(self.settings, *words, *more)))

    def access(self) -> Iterator[Step]:
        """Who may come, and how they show who they are."""
        if self.networks is not None:
            chosen = [str(one.network) for one in self.networks] or [NOBODY]
            wide = ["--everybody"] if any(one.endswith("/0") for one in chosen) else []
            said = ", ".join(chosen) if self.networks else "this machine alone"
            yield self.command(f"Let in these networks: {said}", "allow", "set", *chosen, *wide)
        if self.password.text is not None and not self.present.state["fits"]:
            typed = f"{self.password.text}\n"
            words = ("passwd", "piranha", "--stdin")
            yield Step(
                "Set the password of piranha",
                lambda: quiet(self.place.run(self.settings, *words, typed=typed)),
            )
        elif self.password.is_random:
            yield Step("Make a password for piranha, and print it once", self.random_password)
        if self.answers.is_tls and self.answers.certificate is None and not (self.place.var / OWN).exists():
            yield Step(f"Make the certificate of the pages, {self.place.var / OWN}", self.own_certificate)

    def random_password(self) -> str:
        """One that nobody chose."""
        made = self.place.run(self.settings, "passwd", "piranha", "--random").strip()
        return f"The password of piranha, shown only now: {made}"

    def own_certificate(self) -> str:
        """What the web server would make at its start: so that it can be compared, and named in a token."""
        said = {name: value for name, value in self.settings.items() if value is not None}
        serving = Serving.from_environment(said)

        def make() -> str:
            found, _ = serving.ensure(datetime.now(UTC))
            serving.remember()
            return found.fingerprint

        fingerprint = rights.below(self.place.var, make, NotSetUp)
        for path in {*serving.files, *self.place.var.glob("*.lock"), *self.place.var.glob("*.json")}:
            self.place.give(path)
        return f"The certificate's SHA-256, to compare in the browser: {fingerprint}"

    def own_router(self) -> Iterator[Step]:
        """This machine's own worker."""
        if self.answers.kind is not Kind.SINGLE:
            return
        name = self.answers.routers[0]
        if self.present.router not in ("", name):
            raise NotSetUp(
                f"This machine is the router {self.present.router} by {self.place.worker_file}. Keep that "
                "name (--router), or put the file aside."
            )
        known = any(one["name"] == name and one["enrolled"] for one in self.present.state["routers"])
        if self.present.router == name and known and self.present.redis == self.redis_url:
            return
        step = self.command(f"Make this machine the router {name}", "manage", "enrol_here", name)
        yield Step(step.what, self.with_redis(step.do) if self.answers.has_own_redis else step.do)

    def command(self, what: str, *words: str) -> Step:
        """A step that is a command."""
        return Step(what, lambda: quiet(self.place.run(self.settings, *words)))


def is_for(path: Path, name: str, var: Path) -> bool:
    """Whether that certificate is for this name or address, and signed by the authority of now."""
    found = described(chain(path)[0])
    return covers(found.names, name) and authority.vouches_for(var, path)


def quiet(_printed: str) -> str:
    """What a command printed was for somebody who had called it by hand."""
    return ""


def writing(place: Place, path: Path, text: str, what: str) -> Step:
    """A step that writes a file."""
    return Step(f"Write {path}: {what}", doing(place.write, path, text))


def doing(call: Callable[..., None], *words: object) -> Callable[[], str]:
    """A step that has nothing to say."""

    def done() -> str:
        call(*words)
        return ""

    return done


def systemctl(verb: str, unit: str) -> bool:
    """What systemd says of a unit."""
    return not subprocess.run(  # noqa: S603 - a list of words, none of them a stranger's
        ["systemctl", "--quiet", verb, unit],  # noqa: S607 - wherever systemd's is
        check=False,
        capture_output=True,
        timeout=30,
    ).returncode


def services(
    place: Place,
    kind: Kind,
    *,
    has_own_redis: bool,
    changed: bool,
    reload: bool = False,
    says: Callable[[str, str], bool] = systemctl,
) -> list[list[str]]:
    """The commands that have the services run; none, where they all do as they should.

    changed: the settings are others than before; reload: so is a unit, which systemd is
    to read anew. says: what systemd says to a verb and a unit.
    """
    wanted = [one for one in SERVICES[kind] if has_own_redis or one != "piranha-redis"]
    if not place.has_services:
        return [["systemctl", "enable", "--now", *wanted]]
    active, enabled = ({one for one in wanted if says(verb, one)} for verb in ("is-active", "is-enabled"))
    # One that tries to start again and again with the settings of before is to do it with these: a mere start
    # would join in what is under way, and fail with it.
    again = [one for one in wanted if changed and one in RESTARTED and one in active | enabled]
    first = [one for one in wanted if one not in enabled or one not in (*active, *again)]
    found = [["systemctl", "daemon-reload"]] if reload else []
    if again:
        found.append(["systemctl", "restart", *again])
    if first:
        found.append(["systemctl", "enable", "--now", *first])
    return found


def carry_out(command: list[str]) -> None:
    """One of those commands; NotSetUp."""
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=SERVICE_SECONDS)  # noqa: S603
    if done.returncode:
        said = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[0].rstrip(".")
        raise NotSetUp(f"`{' '.join(command)}` failed: {said}. What it was: journalctl -u {command[-1]}")


def state_settings(settings: Mapping[str, str | None]) -> dict[str, str | None]:
    """The settings, without the files that are not there yet, on which a command would stumble."""
    return {
        name: value
        for name, value in settings.items()
        if not (name.endswith("_FILE") and value and not Path(value).exists())
    }
