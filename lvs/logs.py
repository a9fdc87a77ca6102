"""How every process of ours writes its log: to standard error, for the journal, for people, or as JSON.

Under systemd (JOURNAL_STREAM names the very file that standard error is, systemd.exec(5)) each line begins
with its priority (sd-daemon(3)) and has no time: the journal has both. With PIRANHA_LOG_FORMAT=json each
message is one line of JSON. What a message says is the same in all of them.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Mapping

from lvs.log_form import is_journal, is_json

PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


def formatter(plain: str, environment: Mapping[str, str] = os.environ) -> logging.Formatter:
    """What the lines of this process look like. plain: the form for people, as of logging.Formatter."""
    journal = is_journal(environment)
    if is_json(environment):
        return JsonFormatter(journal)
    if journal:
        return JournalFormatter("%(message)s")
    return logging.Formatter(plain)


class JournalFormatter(logging.Formatter):
    """Each line with its priority in front, so that the journal knows it."""

    def format(self, record: logging.LogRecord) -> str:
        prefix = prefix_of(record.levelno)
        return "\n".join(prefix + line for line in super().format(record).splitlines())


class JsonFormatter(logging.Formatter):
    """One line for each message, its trace included. journal: with the priority in front."""

    def __init__(self, journal: bool) -> None:
        super().__init__()
        self.journal = journal

    def format(self, record: logging.LogRecord) -> str:
        said = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "process": record.process,
        }
        if record.exc_info:
            said["error"] = self.formatException(record.exc_info)
        return (prefix_of(record.levelno) if self.journal else "") + json.dumps(said, ensure_ascii=False)


def prefix_of(level: int) -> str:
    """A priority as the journal reads it at the beginning of a line; between two levels the lower one's."""
    known = max((one for one in PRIORITIES if one <= level), default=logging.DEBUG)
    return f"<{PRIORITIES[known]}>"
