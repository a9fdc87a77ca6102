"""The right to listen below port 1024, which the service of the pages has only where they are there.

`piranha-web.service` runs without a capability, in user ids of its own; a capability of such a process is
none in the machine's network (user_namespaces(7)). So a drop-in of systemd's takes both back, and no more.
"""

from __future__ import annotations

from pathlib import Path

from piranha_web.setup.answers import Answers
from piranha_web.tls.binds import is_socket

UNIT = "piranha-web"
DROP_IN = Path(f"/etc/systemd/system/{UNIT}.service.d/50-low-port.conf")
FIRST_FREE = 1024  # the first port that everybody may have, where nobody says otherwise (ip-sysctl)
RIGHT = "cap_net_bind_service"
TEXT = f"""\
# piranha setup wrote this, and takes it away: the pages are served at a port below {FIRST_FREE}.
[Service]
PrivateUsers=no
CapabilityBoundingSet={RIGHT.upper()}
AmbientCapabilities={RIGHT.upper()}
"""


def wanted(answers: Answers) -> str:
    """What the drop-in is to say; "": there is to be none."""
    by_port = any(not is_socket(one) for one in answers.binds)
    return TEXT if by_port and answers.port < FIRST_FREE else ""
