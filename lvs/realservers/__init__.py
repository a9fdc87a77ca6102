"""The exact set-up of each real server, as text to copy and scripts to run. Pure."""

from __future__ import annotations

from lvs.realservers.setup import Setup as Setup
from lvs.realservers.ways import setups as setups
