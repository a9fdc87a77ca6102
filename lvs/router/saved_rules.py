"""The netfilter rules in force as a file that `nft -f` loads by itself, beside the ledger.

Written after the kernel was, so that a crash between the two leaves a file that is one step behind, until
pulse starts again and writes it anew.
"""

from __future__ import annotations

from pathlib import Path

from lvs.errors import RouterError
from lvs.router import netfilter
from lvs.router.files import read_text, write_text
from lvs.router.state import Netfilter

NAME = "piranha.nft"
HEAD = """\
#!/usr/sbin/nft -f
# What pulse has netfilter do on this router; pulse writes this file anew with every change of it.
"""


class SavedRules:
    """The file at path. problem: a sentence while it could not be written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problem: str | None = None
        self._kept: tuple[Netfilter | None] | None = None  # what the file has, once that is known

    def keep(self, in_force: Netfilter | None) -> None:
        """Have the file say what is in force now; None: no table. Without one there is no file to begin with.

        A disk that refuses is no reason to stop balancing: it is tried again at the next call.
        """
        if self._kept == (in_force,):
            return
        try:
            before = read_text(self.path)
            text = HEAD + netfilter.loadable(in_force)
            if before != text and not (before is None and in_force is None):
                write_text(self.path, text)
        except RouterError as error:
            self.problem = f"The rules of netfilter are in force, but not on the disk: {error}."
        else:
            self.problem, self._kept = None, (in_force,)

    def written_at(self) -> float | None:
        """When, in seconds since the epoch; None: there is no file."""
        try:
            return self.path.stat().st_mtime
        except OSError:
            return None
