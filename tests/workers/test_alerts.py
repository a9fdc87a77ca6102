"""An alert on its whole way: a real manager's worker, a database of its own, a mail server and a webhook."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from piranha_web.alerts import targets
from tests.conftest import RedisServer, eventually
from tests.web.listening import MailServer, Webhook, served
from tests.workers.conftest import PIRANHA

LOCKED = (
    "INSERT INTO lvs_auditentry (at, user, address, cluster, action, target, outcome, text, details) "
    "VALUES ('2030-01-01 00:00:00', '', '192.0.2.9', '', 'lock', '', 'done', 'locked anna out', '{}')"
)


def row_count(file: Path, table: str, condition: str = "1") -> int:
    """How many rows there are; 0: no such table yet."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        found = database.execute(f"SELECT count(*) FROM {table} WHERE {condition}").fetchone()
    return int(found[0])


def test_a_lock_out_reaches_a_mailbox_and_a_webhook(redis_server: RedisServer, tmp_path: Path) -> None:
    file = tmp_path / "piranha.sqlite3"
    (tmp_path / "key").write_text("x" * 60)
    environment = os.environ | {
        "PIRANHA_SECRET_KEY_FILE": str(tmp_path / "key"),
        "PIRANHA_BROKER_URL": redis_server.url,
        "PIRANHA_VAR": str(tmp_path),
        "DJANGO_SETTINGS_MODULE": "piranha_web.settings",
    }
    subprocess.run([PIRANHA, "manage", "migrate"], env=environment, check=True, capture_output=True)
    with served(Webhook()) as webhook, served(MailServer()) as mail:
        for url in (webhook.url, mail.url):
            targets.add(tmp_path / targets.NAME, url, "", by="anna", at="")
        with (tmp_path / "log").open("ab") as log:
            process = subprocess.Popen(
                [PIRANHA, "worker", "--manager"], env=environment, stdout=log, stderr=log
            )
        try:
            eventually(lambda: row_count(file, "lvs_alertmark", "name = 'locks'") == 1, "the first look", 60)
            with closing(sqlite3.connect(file, timeout=20)) as database, database:
                database.execute(LOCKED)
            eventually(lambda: bool(webhook.bodies and mail.mails), "both have the message", 60)
            eventually(
                lambda: row_count(file, "lvs_alertmessage", "state = 'sent'") == 2,
                "both are noted as sent",
                60,
            )
            process.terminate()
            assert process.wait(30) == 0
        finally:
            process.kill()
            process.wait()

    assert webhook.bodies[0]["title"] == "! locked anna out (from 192.0.2.9)"
    assert mail.mails[0]["Subject"] == "! locked anna out (from 192.0.2.9)"
    assert "s3cr3t" not in (tmp_path / "log").read_text()
