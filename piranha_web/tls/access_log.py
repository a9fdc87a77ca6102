"""The web server's log of requests: a line each, whatever somebody has put into one.

gunicorn writes the name of HTTP's own login as it was sent, line ends included. Anybody could so write lines
of their own into the log, in the words of the audit log's copy there, and speak to the terminal of whoever
reads it. What an issuer sends a browser back with (a code, the state) is no affair of a log either.
"""

from __future__ import annotations

import os
from typing import Any

from gunicorn.glogging import Logger, SafeAtoms

from lvs.log_form import is_ours
from lvs.logs import formatter

SECRET_QUERY = "/login/by/return"  # noqa: S105 - the address whose query has a code


class HarmlessAtoms(SafeAtoms):  # type: ignore[misc]
    """The words of a line, with every sign that is not printable as Python would escape it."""

    def __getitem__(self, name: str) -> Any:
        value = super().__getitem__(name)
        return escaped(value) if isinstance(value, str) else value


class AccessLog(Logger):  # type: ignore[misc]
    """gunicorn's log with such words."""

    atoms_wrapper_class = HarmlessAtoms

    def setup(self, cfg: Any) -> None:
        """gunicorn calls it at the start, and whenever it reads its settings again."""
        super().setup(cfg)
        if is_ours(os.environ):
            for handler in (*self.error_log.handlers, *self.access_log.handlers):
                handler.setFormatter(formatter("%(message)s"))

    def atoms(self, resp: Any, req: Any, environ: dict[str, Any], request_time: Any) -> dict[str, Any]:
        """What a line may say of a request. `r`, which is in ours, comes without a query that is secret."""
        found: dict[str, Any] = super().atoms(resp, req, environ, request_time)
        if environ.get("PATH_INFO") == SECRET_QUERY:
            found["r"] = f"{environ['REQUEST_METHOD']} {SECRET_QUERY}?… {environ['SERVER_PROTOCOL']}"
        return found


def escaped(text: str) -> str:
    """The text in one line."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)
