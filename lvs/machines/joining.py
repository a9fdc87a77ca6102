"""`piranha join TOKEN` on a router: fetches what its worker needs from the manager that the token names.

Nothing is said to a server before its certificate is the one of the token, bit for bit: who stands in between
with another one, however well it is signed, learns nothing of the secret. Neither Django nor Redis is needed.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import os
import pwd
import socket
import ssl
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lvs.errors import LvsError, RouterError
from lvs.machines import rights, signing, worker_file
from lvs.machines.invitation import Invitation, NoInvitation, read
from lvs.machines.worker_file import WorkerFile
from lvs.pulse.terminal import harmless

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 20.0
LARGEST = 64 * 1024  # bytes of an answer
CLOCKS = 60.0  # seconds that two clocks may differ before TLS and logs suffer
PATH = "/enrol"
STDIN = "-"
ASK_AGAIN = "Have a new token made: piranha enrol {router} on the manager."


class NotJoined(LvsError):
    """This router has not become a router of the manager, and why."""


class OtherCertificate(NotJoined):
    """Whoever answered has not the manager's certificate; nothing was said to them."""


@dataclass(frozen=True, slots=True)
class Joined:
    """What came of it: what is now in the file, and sentences about what should be looked at."""

    file: WorkerFile
    remarks: tuple[str, ...]


def join_command(token: str, path: Path, *, anyway: bool, owner: str = "") -> int:
    """Carries it out and says so; the exit code: 0 done, 1 not, 2 no token. token `-`: from stdin."""
    try:
        invitation = read(sys.stdin.readline() if token == STDIN else token)
        refuse_other(path, invitation.router, anyway=anyway)
        user = user_of(path, owner) if owner else None
        joined = join(invitation, path, time.time())
        if user:
            give(path, user)
    except NoInvitation as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except (LvsError, OSError) as error:
        sys.stderr.write(f"This machine has not joined: {harmless(str(error))}\n")
        return 1
    for remark in joined.remarks:
        sys.stderr.write(f"Note: {harmless(remark)}\n")
    name = joined.file.router
    sys.stdout.write(
        f"This machine is the router {name} now; what its worker needs is in {path}.\n"
        f"Start, or restart, its worker: piranha worker --router {name}"
        f"{'' if path == worker_file.DEFAULT else f' --file {path}'}\n"
    )
    return 0


def refuse_other(path: Path, router: str, *, anyway: bool) -> None:
    """NotJoined where this machine is another router already, or the file could not be written: found out
    before the token is used up."""
    before = rights.below(path, lambda: router_by(path), NotJoined)
    if not before or anyway:
        return
    if before != router:
        raise NotJoined(
            f"it is the router {before} by {path}, and the token is for {router}. If it is to be that from "
            "now on: piranha join --anyway TOKEN. Nothing was asked of the manager."
        )


def router_by(path: Path) -> str:
    """The router that the file at path is for, "": none; NotJoined: no file could be written there."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise NotJoined(f"{path.parent} cannot be made: {error.strerror}. Run this as root.") from error
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise NotJoined(
            f"{path.parent} cannot be written by user id {os.geteuid()}. Run this as "
            "root, or as the worker's user, whose folder that must be."
        )
    try:
        return worker_file.read(path).router
    except RouterError:
        return ""  # there is none, or it is of no use to anybody


def join(invitation: Invitation, path: Path, now: float) -> Joined:
    """Asks the manager, and writes the worker's file. NotJoined says why nothing was written."""
    said = ask(invitation)
    try:
        file = WorkerFile(
            router=str(said["router"]),
            broker_url=str(said["broker_url"]),
            manager_keys=tuple(str(key) for key in said["manager_keys"]),
            ca=None if said["ca"] is None else str(said["ca"]),
        )
        serial, at = int(said["serial"]), float(said["now"])
        signing.trusted(file.manager_keys)
    except (LookupError, TypeError, ValueError, signing.UnusableKey) as error:
        raise NotJoined(
            f"the manager's answer is not understood ({type(error).__name__}). Install its version on this "
            f"router, then: {ASK_AGAIN.format(router=invitation.router)}"
        ) from error
    if file.router != invitation.router:
        raise NotJoined(f"the manager answered for {file.router}, and the token is for {invitation.router}.")
    rights.below(path, lambda: worker_file.write(path, file, serial), NotJoined)
    return Joined(file, tuple(remarks_on(file, at, now)))


def remarks_on(file: WorkerFile, at: float, now: float) -> list[str]:
    """What should be looked at. at: the manager's clock; now: this router's."""
    said = []
    apart = now - at
    if abs(apart) > CLOCKS:
        way = "ahead of" if apart > 0 else "behind"
        said.append(
            f"The clock of this machine is {abs(apart):.0f} s {way} the manager's. Set them (timedatectl "
            "set-ntp true): TLS looks at the time, and events are hard to compare."
        )
    if file.broker_url.startswith("redis://"):
        said.append("Redis is asked without TLS: everybody on the way can read what goes over it.")
    return said


def ask(invitation: Invitation) -> Mapping[str, Any]:
    """The manager's answer, from the first of its addresses that is it."""
    failed: list[str] = []
    others = 0
    for address in invitation.addresses:
        try:
            with connect(address, invitation.fingerprint) as line:
                return answer(line, address, invitation)
        except OtherCertificate as error:
            others += 1
            failed.append(str(error))
        except OSError as error:
            failed.append(f"{address}: {error.strerror or error}")
    if others:
        raise OtherCertificate(
            "whoever answers has another certificate than the token says, so nothing was told to them: "
            f"{'; '.join(failed)}. Either the manager's certificate was changed since (piranha tls there "
            "shows the one of now; have a new token made), or somebody stands between you and the manager."
        )
    raise NotJoined(
        f"no address of the manager could be reached: {'; '.join(failed)}. Is the way free, and does the web "
        "server run? Another address can be named: piranha enrol --address https://HOST:PORT on the manager."
    )


def connect(address: str, fingerprint: str) -> ssl.SSLSocket:
    """A connection to who has that certificate, and the key of it. OtherCertificate, OSError."""
    parts = urlsplit(address)
    host, port = str(parts.hostname), parts.port or 443
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Neither names nor authorities matter: the one certificate is known.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    sock = socket.create_connection((host, port), timeout=CONNECT_SECONDS)
    try:
        line = context.wrap_socket(sock, server_hostname=host)
    except OSError:
        sock.close()
        raise
    shown = hashlib.sha256(line.getpeercert(binary_form=True) or b"").hexdigest()
    if not hmac.compare_digest(shown, fingerprint):
        line.close()
        raise OtherCertificate(f"{address} has the certificate {shown}")
    line.settimeout(ANSWER_SECONDS)
    return line


def answer(line: ssl.SSLSocket, address: str, invitation: Invitation) -> Mapping[str, Any]:
    """What the manager says to the secret. NotJoined: it refuses, in its words, or says nothing of use."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port or 443)
    connection.sock = line
    body = json.dumps({"router": invitation.router, "secret": invitation.secret.hex()})
    again = ASK_AGAIN.format(router=invitation.router)
    try:
        connection.request("POST", PATH, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        text = response.read(LARGEST).decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        raise NotJoined(f"the manager broke off ({error}). The token may be used up. {again}") from error
    if response.status != 200:
        raise NotJoined(text.strip()[:500] or f"the manager refuses, with status {response.status}. {again}")
    try:
        said = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NotJoined(f"what answers at {address} is no manager of ours: {error}.") from error
    if not isinstance(said, dict):
        raise NotJoined(f"what answers at {address} is no manager of ours.")
    return said


def user_of(path: Path, owner: str) -> pwd.struct_passwd:
    """Who the worker is; NotJoined: there is no such user, or somebody else has the folder in his hand."""
    try:
        found = pwd.getpwnam(owner)
    except KeyError as error:
        raise NotJoined(f"there is no user {owner}. Nothing was asked of the manager.") from error
    before = rights.owner_on_the_way(path)
    if os.geteuid() == 0 and before not in (None, found.pw_uid):
        raise NotJoined(
            f"on the way to {path} is a folder or a link of another user than {owner}, who could put "
            "anything in its place: look at it with namei -l. Nothing was asked of the manager."
        )
    return found


def give(path: Path, owner: pwd.struct_passwd) -> None:
    """Makes the worker's user the owner of its files and their folder."""
    if os.geteuid() == 0 and rights.owner_on_the_way(path) is not None:
        return  # they were made as that user
    # The folder last: from then on the names in it are that user's.
    for one in (worker_file.serials_of(path), path, path.parent):
        os.chown(one, owner.pw_uid, owner.pw_gid, follow_symlinks=False)
