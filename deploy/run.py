"""`make run`: the whole tool on one machine, with a cluster to manage.

Starts Redis, the manager's worker, the web server and the routers (the lab's, or in planning mode), says each
step, keeps them running, and stops all of them on Ctrl-C. Configuration is by the environment:

PIRANHA_PORT      port of the web pages (3636)
PIRANHA_BIND      address they are served on (127.0.0.1); by TLS if another one (piranha_web.gunicorn_conf)
PIRANHA_LAB       auto, or none: routers in planning mode
PIRANHA_VIP_PORT  port that leads to the lab's virtual address (8080)
PIRANHA_VAR       folder for what is kept (var/)
"""

from __future__ import annotations

import http.client
import os
import signal
import ssl
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from deploy.start import redis, routers  # noqa: E402 - the project's folder must be on the path first
from deploy.start.place import AlreadyRunning, Place, is_taken  # noqa: E402
from deploy.start.processes import Child, Children, say, wait_for  # noqa: E402
from piranha_web.tls.binds import is_local  # noqa: E402
from piranha_web.tls.certificates import TlsRefused  # noqa: E402
from piranha_web.tls.serving import Serving  # noqa: E402

PIRANHA = str(Path(sys.executable).with_name("piranha"))
WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}
GUNICORN = str(Path(sys.executable).with_name("gunicorn"))


class Stopped(Exception):
    """Somebody pressed Ctrl-C, or asked us to end."""


def main() -> int:
    """Runs until stopped. 0: stopped; 1: it could not start, or a part of it dies again and again."""
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, stop)
    children = Children()
    try:
        place = Place.from_environment()
        lock = place.lock()
        run(place, children)
        lock.close()
    except Stopped:
        pass
    except (RuntimeError, AlreadyRunning, TlsRefused, OSError, subprocess.CalledProcessError) as error:
        say(f"Stopping: {error}")
        return 1
    finally:
        for one in (signal.SIGINT, signal.SIGTERM):
            signal.signal(one, signal.SIG_IGN)
        if children.all:
            say("Stopping everything")
        children.stop()
    say("Stopped; nothing is left running.")
    return 0


def stop(_number: int, _frame: object) -> None:
    raise Stopped


def run(place: Place, children: Children) -> None:
    """Every step, then the watch over them."""
    serving = Serving.from_environment({**os.environ, "PIRANHA_VAR": str(place.folder)})
    fingerprint = serving.ensure(datetime.now(UTC))[0].fingerprint if serving.tls else ""
    if is_taken(host_of(serving), serving.port):
        raise RuntimeError(
            f"Port {serving.port} is in use; choose another one: PIRANHA_PORT={serving.port + 1} make run"
        )
    environment = {
        "PIRANHA_VAR": str(place.folder),
        "PIRANHA_SECRET_KEY_FILE": str(place.secret("secret.key")),
        "PIRANHA_PASSWORD_FILE": str(place.password_file),
        "PYTHONUNBUFFERED": "1",
    }
    os.environ.update(environment)

    say("Starting Redis")
    server, listening = redis.child(place, routers.REDIS_NAMES)
    children.start(server)
    password = place.secret("redis.password")
    wait_for(lambda: redis.answers(listening.port, password), server, "Redis answers", 20)
    os.environ.pop("PIRANHA_BROKER_URL", None)  # the one of `make run` is its own
    os.environ["PIRANHA_BROKER_URL_FILE"] = str(place.keep("broker.url", listening.url))

    cluster = routers.choose(place, listening)
    cluster.begin(children)

    say("Preparing the database")
    subprocess.run([PIRANHA, "manage", "migrate", "--verbosity", "0"], check=True, cwd=PROJECT)
    subprocess.run([PIRANHA, "manage", "lab_cluster"], check=True, cwd=PROJECT)
    ask_who_may_come(place)
    new_password = first_password(place)

    say("Starting the manager's worker")
    children.start(Child("the manager's worker", [PIRANHA, "worker", "--manager"], place.log("manager")))
    say(f"Starting the web server on {', '.join(serving.addresses)}")
    web = children.start(web_server(place))
    wait_for(lambda: answers(serving), web, f"{url_of(serving)} answers", 40)
    greet(new_password, cluster, serving, fingerprint)
    cluster.wait(children)
    while True:
        time.sleep(0.5)
        children.watch()


def ask_who_may_come(place: Place) -> None:
    """At the first start on a terminal: which networks may reach the pages. Otherwise the default counts."""
    said_already = {"PIRANHA_ALLOW", "PIRANHA_ALLOW_FILE"} & os.environ.keys()
    if said_already or (place.folder / "allow").exists() or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return
    say("Who may come")
    subprocess.run([PIRANHA, "allow", "ask"], check=False, cwd=PROJECT)  # unanswered: the default counts


def first_password(place: Place) -> str | None:
    """Makes a random password when there is none yet; it is shown once and kept only as a hash."""
    if place.password_file.exists():
        return None
    made = subprocess.run(
        [PIRANHA, "passwd", "--random"], check=True, cwd=PROJECT, stdout=subprocess.PIPE, text=True
    )
    return made.stdout.strip()


def web_server(place: Place) -> Child:
    """gunicorn with the site."""
    argv = [GUNICORN, "-c", "python:piranha_web.gunicorn_conf", "--chdir", str(PROJECT), "piranha_web.wsgi"]
    return Child("the web server", argv, place.log("web"))


def host_of(serving: Serving) -> str:
    """An address of this machine at which the server must answer; a wildcard has none of its own."""
    return WILDCARDS.get(serving.binds[0], serving.binds[0])


def url_of(serving: Serving) -> str:
    """What a browser on this machine is to ask for."""
    host = "localhost" if serving.binds[0] in WILDCARDS or is_local(serving.binds[0]) else serving.binds[0]
    return f"http{'s' if serving.tls else ''}://{host}:{serving.port}"


def answers(serving: Serving) -> bool:
    """Whether the login page comes."""
    host, port = host_of(serving), serving.port
    connection = http.client.HTTPConnection(host, port, timeout=10)
    if serving.tls:
        # Only whether it answers is asked, and nothing is told: whose certificate it is does not matter.
        context = ssl._create_unverified_context()  # nosec B323
        connection = http.client.HTTPSConnection(host, port, timeout=10, context=context)
    try:
        connection.request("GET", "/login")
        # A refusal in words is an answer: this machine's own address need not be allowed, nor be a proxy's.
        return connection.getresponse().status in (200, 301, 302, 400, 403)
    except OSError:
        return False
    finally:
        connection.close()


def allowed() -> str:
    """From where the site can be used."""
    told = subprocess.run([PIRANHA, "allow"], cwd=PROJECT, capture_output=True, text=True)
    if told.returncode:
        return f"this machine alone: {told.stderr.strip()}"
    networks = [line.partition("\t")[0] for line in told.stdout.splitlines()]
    return f"this machine and {', '.join(networks)}" if networks else "this machine alone"


def greet(new_password: str | None, cluster: routers.Routers, serving: Serving, fingerprint: str) -> None:
    """What the administrator needs to begin. fingerprint: of the certificate; "": there is none."""
    say(f"Piranha Web serves {url_of(serving)}")
    if fingerprint:
        whose = "its own; a browser asks at the first visit" if serving.is_own else serving.certificate
        print(f"    TLS       certificate: {whose}; SHA-256")
        print(f"              {fingerprint}")
    print("    user      piranha")
    if new_password:
        print(f"    password  {new_password}    (shown only now; change it with: .venv/bin/piranha passwd)")
    else:
        print("    password  as before (a new one: .venv/bin/piranha passwd)")
    print(f"    access    from {allowed()}")
    print("              (change it on the page Access, or with: .venv/bin/piranha allow)")
    print(f"    routers   {cluster.describe()}")
    print("    Ctrl-C stops all of it.", flush=True)


if __name__ == "__main__":
    sys.exit(main())
