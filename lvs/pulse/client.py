"""How other programs talk to pulse: blocking, standard library only."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from lvs.errors import PulseUnreachable, RouterError
from lvs.pulse.wire import MAX_ANSWER, error_from_wire

DEFAULT_SOCKET = Path("/run/piranha/pulse.sock")


class PulseClient:
    """pulse's control socket at path; each call takes at most timeout seconds and a connection of its own.

    Raises PulseUnreachable when pulse does not answer in full and in time, and the error that pulse names
    (InvalidConfig, StaleSerial, …) when it refuses. A call that ended with PulseUnreachable may still have
    been carried out: ask `running`.
    """

    def __init__(self, path: Path | str = DEFAULT_SOCKET, timeout: float = 10) -> None:
        self.path = Path(path)
        self.timeout = timeout

    def status(self, servers: Sequence[str] | None = None) -> dict[str, Any]:
        """The status document (ARCHITECTURE.md).

        servers: of these virtual servers alone, without what is foreign; none: `marks` in their place. A
        pulse that is older than this gives all of it.
        """
        return self._call(
            {"call": "status"} if servers is None else {"call": "status", "servers": list(servers)}
        )

    def counters(self) -> dict[str, Any]:
        """What was counted for each virtual server: `virtual_servers`, NAME to five numbers, or null."""
        return self._call({"call": "counters"})

    def plan(self, lvs_cf: str) -> dict[str, Any]:
        """What installing this text would change, as sentences; nothing is changed."""
        return self._call({"call": "plan", "lvs_cf": lvs_cf})

    def preflight(self, lvs_cf: str | None = None) -> dict[str, Any]:
        """What stands against this text, or against what is in force, on this router; changes nothing."""
        return self._call({"call": "preflight"} | ({} if lvs_cf is None else {"lvs_cf": lvs_cf}))

    def connections(self, **asked: str | int) -> dict[str, Any]:
        """What is open through this router: `client`, `virtual_server`, `real_server`, `protocol`, `state`.

        limit: how many are told, the rest is counted. RouterError says what of it means nothing.
        """
        return self._call({"call": "connections", **asked})

    def rules(self) -> dict[str, Any]:
        """The rule set in force: nft's text, what it counted, where it is saved, what is odd about it."""
        return self._call({"call": "rules"})

    def install(
        self,
        lvs_cf: str,
        back_from: int | None = None,
        *,
        keys: Sequence[str] | None = None,
        confirm_within: float | None = None,
    ) -> dict[str, Any]:
        """Install this text and have the kernel follow.

        back_from: the installed serial that this text, an older one, takes back. keys: the cluster's, in
        hexadecimal digits, newest first. confirm_within: seconds after which the router puts back what was in
        force, unless `confirm` comes before. Raises KernelError when the kernel refused some of this text;
        what was there before is in force then.
        """
        request: dict[str, Any] = {"call": "install", "lvs_cf": lvs_cf}
        if back_from is not None:
            request["back_from"] = back_from
        if keys is not None:
            request["keys"] = list(keys)
        if confirm_within is not None:
            request["confirm_within"] = confirm_within
        return self._call(request)

    def confirm(self, serial: int) -> dict[str, Any]:
        """What was installed with confirm_within stays; RouterError where serial is not what is installed."""
        return self._call({"call": "confirm", "serial": serial})

    def hand_over(self, *, anyway: bool = False) -> dict[str, Any]:
        """Give the active role to the other router, or on the standby ask for it; gives role and message.

        anyway: also to one with another lvs.cf or fewer healthy real servers. Raises RouterError, which says
        why it was not done. Takes up to the dead time and five seconds: set the timeout accordingly.
        """
        return self._call({"call": "hand_over", "anyway": anyway})

    def take_over_by_force(self) -> dict[str, Any]:
        """Have this router active, whatever the other one says."""
        return self._call({"call": "take_over_by_force"})

    def set_aside(
        self, *, by: str = "", reason: str = "", until: float | None = None, anyway: bool = False
    ) -> dict[str, Any]:
        """Have this router take no part in the pair; the active one hands over first.

        by: who wants it; empty: this process' user. until: seconds since the epoch. anyway: as hand_over has
        it. RouterError says why not, and nothing is changed.
        """
        return self._call({"call": "set_aside", "by": by, "reason": reason, "until": until, "anyway": anyway})

    def take_part(self) -> dict[str, Any]:
        """Have this router be one of the pair again."""
        return self._call({"call": "take_part"})

    def server(
        self,
        targets: Sequence[tuple[str, str]],
        order: str,
        *,
        by: str = "",
        reason: str = "",
        until: float | None = None,
    ) -> dict[str, Any]:
        """Have real servers, each named by its virtual server and itself, treated by hand (`lvs.nanny.hand`).

        by: who wants it; empty: this process' user. until: seconds since the epoch. Gives `changed`, a
        sentence for each; RouterError names what is not there, and nothing is changed.
        """
        return self._call(
            {
                "call": "server",
                "targets": [list(target) for target in targets],
                "order": order,
                "by": by,
                "reason": reason,
                "until": until,
            }
        )

    def explain(self, virtual_server: str, real_server: str, *, test: bool = False) -> dict[str, Any]:
        """What is known of a real server, and why; test: make its check now, as long as that may take."""
        return self._call(
            {"call": "explain", "virtual_server": virtual_server, "real_server": real_server, "test": test}
        )

    def try_check(self, lvs_cf: str, virtual_server: str, real_server: str) -> dict[str, Any]:
        """What the check that lvs_cf has for a real server finds, made once from this router."""
        names = {"virtual_server": virtual_server, "real_server": real_server}
        return self._call({"call": "try_check", "lvs_cf": lvs_cf, **names})

    def examine(self, virtual_server: str, real_server: str) -> dict[str, Any]:
        """What is wrong with a real server's set-up, found out from this router within a few seconds."""
        return self._call({"call": "examine", "virtual_server": virtual_server, "real_server": real_server})

    def guard(
        self, port: int | None, networks: Sequence[str] = (), *, anyway: bool = False
    ) -> dict[str, Any]:
        """Have only these networks reach the panel's TCP port, and this machine itself; None: anybody again.

        anyway: also where that cuts a connection that somebody has now. Gives `guard` and `changes`, in
        sentences; RouterError says why not, and nothing is changed.
        """
        return self._call({"call": "guard", "port": port, "networks": list(networks), "anyway": anyway})

    def running(self) -> dict[str, Any]:
        """The installed lvs.cf, its hash and its serial number."""
        return self._call({"call": "running"})

    def _call(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            answer = json.loads(self._exchange(json.dumps(request).encode()))
            if answer["ok"]:
                result: dict[str, Any] = answer["result"]
                return result
            refused = error_from_wire(answer["error"])
        except TimeoutError as error:
            raise PulseUnreachable(
                f"pulse did not answer {request['call']} within {self.timeout:g} s ({self.path}). "
                "Look at its log (journalctl -u pulse) and try again."
            ) from error
        except PermissionError as error:
            raise RouterError(
                f"User {os.geteuid()} may not talk to pulse at {self.path}. Ask as root, or start pulse with "
                "--allow-user NAME to permit it."
            ) from error
        except OSError as error:
            raise PulseUnreachable(
                f"pulse cannot be reached at {self.path}: {error.strerror or error}. "
                "Start it (systemctl start pulse) or look at its log."
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            raise PulseUnreachable(
                f"what answers at {self.path} does not speak as pulse does: {error}. "
                "Check that the path is pulse's socket and that both are of one version."
            ) from error
        raise refused

    def _connect(self, opened: socket.socket, deadline: float) -> None:
        while True:
            try:
                opened.connect(str(self.path))
                return
            except BlockingIOError as error:  # so many ask at once that the queue is full (unix(7))
                if time.monotonic() > deadline:
                    raise TimeoutError from error
                time.sleep(0.01)

    def _exchange(self, request: bytes) -> bytes:
        deadline = time.monotonic() + self.timeout
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as opened:
            opened.settimeout(self.timeout)
            self._connect(opened, deadline)
            with suppress(
                BrokenPipeError, ConnectionResetError
            ):  # hung up on us, it may have said why before
                opened.sendall(request)
                opened.sendall(b"\n")
            received = bytearray()
            while not received.endswith(b"\n"):
                opened.settimeout(max(0.001, deadline - time.monotonic()))
                part = opened.recv(65536)
                if not part:
                    raise ConnectionResetError(0, "the connection ended in the middle of an answer")
                received += part
                if len(received) > MAX_ANSWER:
                    raise ValueError("the answer is too long")
        return bytes(received)
