"""Alerts from the routers' reports to servers that take them: what is seen, told, tried again, given up."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone

from lvs import dispatch, models, store
from lvs.config.model import Redundancy
from lvs.reported import reports
from piranha_web.alerts import apprised, duty, sending, targets
from piranha_web.alerts.rules import Condition, Seen
from piranha_web.alerts.targets import Target, TargetRefused
from piranha_web.alerts.watch import look, set_mark
from tests.conftest import RedisServer
from tests.web.conftest import CONFIG
from tests.web.listening import MailServer, Webhook, served
from tests.web.redundant import link, part, redundant
from tests.web.reports import real_server, report, shop_with

State = models.AlertMessage.State
Kinds = dict[str, str]


@pytest.fixture(autouse=True)
def file(site: Any, tmp_path: Path) -> Path:
    site.PIRANHA_ALERTS_FILE = tmp_path / "alerts.targets"
    site.VAR = tmp_path
    return tmp_path / "alerts.targets"


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with served(Webhook()) as server:
        yield server


@pytest.fixture
def running(cluster: models.Cluster, redis_server: RedisServer) -> models.Revision:
    """The cluster with a revision that both routers run, r1 active."""
    pair = Redundancy(backup_active=True, backup=IPv4Address("192.168.26.8"))
    store.save(cluster, replace(CONFIG, redundancy=pair))
    revision = store.freeze(cluster, author="anna", message="")
    both(revision)
    return revision


def both(revision: models.Revision, **of_the_active: Any) -> None:
    """Both routers report."""
    same = {"serial": revision.number, "sha256": revision.sha256}
    report("r1", redundant("active", name="r1", **same, **of_the_active))
    report("r2", redundant("standby", name="r2", **same))


def add(file: Path, url: str) -> Target:
    return targets.add(file, url, "", by="anna", at="")


def seen_kinds(now: float | None = None) -> Kinds:
    """What holds now: kind to sentence."""
    found = look(now or time.time())
    return {one.kind: one.sentence for one in found.conditions}


def told_kinds() -> Kinds:
    """What happened since the last look."""
    return {one.kind: one.sentence for one in look(time.time()).events}


class Clock:
    """A watch whose time the test moves on."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.seen = Seen()
        self.watch = duty.Watch(clock=lambda: self.now, look=lambda _now: self.seen)

    def after(self, seconds: float, *conditions: Condition) -> None:
        """A look, so much later."""
        self.now += seconds
        self.seen = Seen(conditions=conditions)
        self.watch.advance()


DOWN = Condition("service_down", "shop", "lab: No real server serves shop.", "lab", "servers lab")


# ---- what is seen


def test_of_a_cluster_that_is_well_nothing_is_told_but_the_failed_real_server(
    running: models.Revision,
) -> None:
    kinds = seen_kinds()

    assert set(kinds) == {"servers_out"}
    assert kinds["servers_out"] == "lab: 1 of 2 real servers of shop are out (web2: connect: refused)."


def test_a_cluster_that_was_never_applied_alerts_nobody(
    cluster: models.Cluster, redis_server: RedisServer
) -> None:
    assert seen_kinds() == {}


def test_a_service_that_no_real_server_serves_is_worse(running: models.Revision) -> None:
    shop = shop_with(
        real_server("web1", "10.11.12.1", "failed", "timeout"),
        real_server("web2", "10.11.12.2", "failed", "x"),
    )["virtual_servers"]

    both(running, virtual_servers=shop)

    kinds = seen_kinds()
    assert set(kinds) == {"service_down"}
    assert "clients get no answer (web1: timeout; web2: x)" in kinds["service_down"]


def test_what_a_router_calls_a_reason_is_plain_text_in_a_message(running: models.Revision) -> None:
    evil = real_server("web1", "10.11.12.1", "failed", "x\r\nBcc: all@example.org\x1b[31m" + "y" * 900)

    both(running, virtual_servers=shop_with(evil, real_server("web2", "10.11.12.2"))["virtual_servers"])

    sentence = seen_kinds()["servers_out"]
    assert sentence.isprintable()
    assert len(sentence) <= 1200


def test_a_router_that_is_silent_says_nothing_of_its_servers_and_that_is_known(
    running: models.Revision, redis_server: RedisServer
) -> None:
    dispatch.broker().delete("piranha:report:r1")

    found = look(time.time())

    assert [one.kind for one in found.conditions] == ["router_silent"]
    assert found.unknown == {"router r1", "pair lab", "servers lab"}


def test_both_or_none_active_are_told_in_the_managers_words(running: models.Revision) -> None:
    same = {"serial": running.number, "sha256": running.sha256}
    report("r2", redundant("active", name="r2", **same))
    assert "r1 and r2 are both active" in seen_kinds()["both_active"]

    report("r1", redundant("standby", name="r1", **same))
    report("r2", redundant("standby", name="r2", **same))
    assert "No router is active" in seen_kinds()["none_active"]


def test_links_hearts_strangers_fitness_and_clocks_are_looked_at(running: models.Revision) -> None:
    stranger = {"at": 1.0, "address": "192.168.26.10", "mac": "02:00:00:00:00:01", "interface": "eth0"}
    of = {
        "links": [link(), link("private", alive=False, own="10.11.12.9", peer="10.11.12.8")],
        "unfit": ["its link is down"],
        "fit": False,
        "strangers": [stranger],
        "heart": {"pid": None, "alive": False},
    }

    both(running, of=of, now=time.time() - 630)

    kinds = seen_kinds()
    assert "r1 hears nothing by the private link (10.11.12.9 to 10.11.12.8)" in kinds["link_lost"]
    assert "r1 is not fit to serve: its link is down" in kinds["router_unfit"]
    assert "MAC 02:00:00:00:00:01" in kinds["stranger"]
    assert "The heart of r1 does not run" in kinds["heart"]
    assert "The clock of r1 is 10 min behind the manager's" in kinds["clock"]


@pytest.mark.parametrize(
    ("since", "until", "more", "told"),
    [
        (3600, None, [], False),
        (90_000, None, [], True),
        (90_000, 3600, [], False),
        (3600, None, ["its link is down"], True),
    ],
)
def test_a_router_that_was_set_aside_wakes_nobody_before_it_may_be_forgotten(
    running: models.Revision, since: float, until: float | None, more: list[str], told: bool
) -> None:
    now = time.time()
    aside = {"by": "bob", "reason": "", "at": now - since, "until": until and now + until}
    unfit = ["it is set aside by bob", *more]
    same: dict[str, Any] = {"serial": running.number, "sha256": running.sha256}
    report("r2", redundant("standby", of={"fit": False, "unfit": unfit}, name="r2", aside=aside, **same))

    assert ("router_unfit" in seen_kinds()) is told


@pytest.mark.parametrize(
    ("since", "until", "told"), [(3600, None, False), (90_000, None, True), (60, -1, True)]
)
def test_nor_does_one_that_is_switched_off_then(
    running: models.Revision,
    monkeypatch: pytest.MonkeyPatch,
    since: float,
    until: float | None,
    told: bool,
) -> None:
    monkeypatch.setattr(reports, "SILENT_AFTER", -1.0)
    now = time.time()
    aside = {"by": "bob", "reason": "", "at": now - since, "until": until and now + until}
    report("r2", redundant("standby", name="r2", aside=aside))

    silent = [one.key for one in look(now).conditions if one.kind == "router_silent"]
    assert ("router_silent r2" in silent) is told
    assert "router_silent r1" in silent


def test_an_lvs_cf_that_was_changed_outside_is_told(running: models.Revision) -> None:
    report("r1", redundant("active", name="r1", serial=running.number, sha256="1" * 64))

    assert "changed outside" in seen_kinds()["drift"]


def test_redis_that_is_away_is_told_and_everything_else_unknown(
    running: models.Revision, redis_server: RedisServer
) -> None:
    redis_server.stop()

    found = look(time.time())

    assert [one.kind for one in found.conditions] == ["redis"]
    assert {"servers lab", "pair lab", "router r1", "router r2"} <= found.unknown


def test_a_failover_is_told_once_with_its_reason(running: models.Revision) -> None:
    assert told_kinds() == {}  # what was so before the first look is no news

    same = {"serial": running.number, "sha256": running.sha256}
    report("r1", redundant("standby", name="r1", **same))
    report("r2", redundant("active", name="r2", **same))

    why = part("active")["reason"]
    assert told_kinds() == {"failover": f"lab: r2 is active now, in the place of r1 ({why})."}
    assert told_kinds() == {}


def test_a_revision_that_a_router_refused_is_told_once(running: models.Revision) -> None:
    assert told_kinds() == {}
    deployment = running.deployments.get(router__name="r1")

    deployment.end(models.Deployment.State.FAILED, "the kernel refused it")

    assert told_kinds() == {"apply_failed": "lab: Revision 1 on r1 was refused: the kernel refused it"}
    assert told_kinds() == {}


def test_a_lock_out_is_told_once(running: models.Revision) -> None:
    assert told_kinds() == {}

    models.AuditEntry.objects.create(
        action=models.AuditEntry.Action.LOCK, text="locked anna out", address="192.0.2.9"
    )

    assert told_kinds() == {"lockout": "locked anna out (from 192.0.2.9)"}
    assert told_kinds() == {}


def test_looking_for_alerts_is_nobody_at_a_page(running: models.Revision) -> None:
    look(time.time())

    assert not dispatch.broker().exists("piranha:looked:r1:any")


# ---- what is told, and to whom


def test_it_is_told_to_every_target_and_its_end_too(
    db: None, file: Path, webhook: Webhook, redis_server: RedisServer
) -> None:
    clock = Clock()
    with served(MailServer()) as mail:
        add(file, webhook.url)
        add(file, mail.url)
        clock.after(0, DOWN)
        assert duty.deliver() == 0  # it has not held long enough
        clock.after(5, DOWN)
        assert duty.deliver() == 2
        clock.after(60)
        clock.after(10)
        assert duty.deliver() == 2

    first, last = webhook.bodies
    assert (first["title"], first["type"]) == ("✖ lab: No real server serves shop.", "failure")
    assert (last["title"], last["type"]) == ("✔ OVER: lab: No real server serves shop.", "success")
    assert "It lasted 65 s" in last["message"]
    assert [one["Subject"] for one in mail.mails] == [first["title"], last["title"]]
    assert mail.mails[0]["To"] == "anna@lab.example"
    assert set(models.AlertMessage.objects.values_list("state", flat=True)) == {State.SENT}


def test_a_target_that_is_away_is_tried_again_later_and_keeps_nobody_else_waiting(
    db: None, file: Path, webhook: Webhook
) -> None:
    webhook.status = 503
    clock = Clock()
    add(file, webhook.url)
    clock.after(0, DOWN)
    clock.after(5, DOWN)

    assert duty.deliver() == 0
    waiting = models.AlertMessage.objects.get()
    assert (waiting.state, waiting.tries) == (State.WAITING, 1)
    assert "503" in waiting.error
    assert "s3cr3t" not in waiting.error
    assert duty.deliver() == 0  # not before its time
    assert models.AlertMessage.objects.get().tries == 1

    webhook.status = 200
    models.AlertMessage.objects.update(next_at=timezone.now())
    assert duty.deliver() == 1
    assert models.AlertMessage.objects.get().state == State.SENT


def test_a_clock_that_is_set_back_makes_no_message_wait_and_tells_no_refusal_again_and_again(
    running: models.Revision, file: Path, webhook: Webhook
) -> None:
    add(file, f"{webhook.url}/a")
    clock = Clock()
    clock.after(0, DOWN)
    clock.after(5, DOWN)
    later = timezone.now() + timedelta(days=900)
    models.AlertMessage.objects.update(next_at=later)
    assert duty.deliver() == 1

    set_mark("deployments", str(later.timestamp()))
    deployment = running.deployments.get(router__name="r1")
    deployment.state, deployment.ended_at = models.Deployment.State.FAILED, later
    deployment.save()
    assert told_kinds() == {}
    deployment.ended_at = timezone.now()
    deployment.save()
    set_mark("deployments", str((timezone.now() - timedelta(hours=1)).timestamp()))
    assert told_kinds().keys() == {"apply_failed"}
    assert told_kinds() == {}


def test_after_a_day_it_is_given_up(db: None, file: Path, webhook: Webhook) -> None:
    webhook.status = 500
    add(file, webhook.url)
    clock = Clock()
    clock.after(0, DOWN)
    clock.after(5, DOWN)
    models.AlertMessage.objects.update(made_at=timezone.now() - timedelta(hours=25))

    duty.deliver()

    row = models.AlertMessage.objects.get()
    assert (row.state, row.tries) == (State.FAILED, 1)


def test_many_at_once_come_as_one_message(db: None, file: Path, webhook: Webhook) -> None:
    add(file, webhook.url)
    clock = Clock()
    many = tuple(
        Condition("service_down", f"v{place}", f"lab: No real server serves v{place}.", "lab")
        for place in range(80)
    )
    clock.after(0, *many)
    clock.after(5, *many)

    assert duty.deliver() == 80

    (body,) = webhook.bodies
    assert body["title"] == "✖ 80 alerts of Piranha Web"
    assert "serves v0." in body["message"]
    assert "and 30 more" in body["message"]


def test_messages_for_a_target_that_was_removed_are_dropped(db: None, file: Path, webhook: Webhook) -> None:
    target = add(file, webhook.url)
    clock = Clock()
    clock.after(0, DOWN)
    clock.after(5, DOWN)
    targets.remove(file, target.id)

    assert duty.deliver() == 0

    assert models.AlertMessage.objects.get().state == State.DROPPED


def test_a_new_worker_tells_nothing_twice_and_sends_what_was_left(
    db: None, file: Path, webhook: Webhook
) -> None:
    add(file, webhook.url)
    before = Clock()
    before.after(0, DOWN)
    before.after(5, DOWN)

    after = Clock()
    after.now = before.now + 30
    after.after(0, DOWN)

    assert duty.deliver() == 1
    assert models.AlertMessage.objects.count() == 1
    after.after(60)
    after.after(10)
    assert duty.deliver() == 1


def test_what_was_chosen_counts(db: None, file: Path, webhook: Webhook) -> None:
    add(file, webhook.url)
    clock = Clock()
    models.AlertChoice.objects.create(pk=1, off=["service_down"])
    clock.after(0, DOWN)
    clock.after(500, DOWN)
    assert not models.AlertMessage.objects.exists()

    models.AlertChoice.objects.update(off=[])
    clock.after(5, DOWN)
    clock.after(5, DOWN)

    assert models.AlertMessage.objects.count() == 1


def test_a_database_that_is_away_is_told_past_it_and_its_end_too(
    db: None, file: Path, webhook: Webhook
) -> None:
    add(file, webhook.url)
    clock = Clock()

    def away(_now: float) -> Seen:
        raise OperationalError("gone")

    watch = duty.Watch(clock=lambda: clock.now, look=away)
    for seconds in (0, 20, 20):
        clock.now += seconds
        with pytest.raises(OperationalError):
            watch.advance()
    assert [one["type"] for one in webhook.bodies] == ["failure"]

    watch._look = lambda _now: Seen()
    for _turn in range(3):
        clock.now += 20
        watch.advance()

    assert [one["type"] for one in webhook.bodies] == ["failure", "success"]


def test_a_list_of_targets_that_is_broken_is_said_and_does_not_stop_the_rest(
    db: None, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file.write_text("{nonsense")
    clock = Clock()

    clock.after(0, DOWN)
    clock.after(5, DOWN)

    assert "nobody is alerted" in caplog.text
    assert models.Alert.objects.get().told is not None


def test_each_alert_goes_to_the_log_as_well(db: None, caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    with caplog.at_level(logging.INFO, logger="piranha.alerts"):
        clock.after(0, DOWN)
        clock.after(5, DOWN)

    assert "alert service_down begins: lab: No real server serves shop." in caplog.text


# ---- targets


def test_the_file_is_private_and_the_mask_shows_no_secret(file: Path) -> None:
    made = [
        add(file, "mailtos://piranha:hunter22@smtp.example.org:465?to=anna@example.org"),
        add(file, "slack://TAAAAAAAA/BAAAAAAAA/aaaaaaaaaaaaaaaaaaaaaaaa"),
        add(file, "jsons://hooks.example.org/very-secret?token=abcdef"),
        add(file, "tgram://123456789:abcdefghijklmnopqrstuvwxyz/12315544"),
    ]

    assert file.stat().st_mode & 0o777 == 0o600
    assert [one.mask for one in made] == [
        "mailtos://smtp.example.org:465/… to anna@example.org",
        "slack://…",
        "jsons://hooks.example.org/…",
        "tgram://…",
    ]
    for one, secret in zip(
        made, ["hunter22", "TAAAAAAAA", "very-secret", "abcdefghijklmnopqrstuvwxyz"], strict=True
    ):
        assert secret not in one.without_secrets(f"failed at {one.url} with {secret}")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "anna@example.org",
        "file:///etc/passwd",
        "dbus://",
        "syslog://",
        "macosx://",
        "windows://",
        "python://x",
        "json://169.254.169.254/latest/meta-data",
        "json://[fe80::1]/x",
        "json://0.0.0.0/x",
        "json://h/\nx",
        "json://h/" + "x" * 2000,
        "http://example.org/hook",
    ],
)
def test_what_is_no_target_is_refused_with_a_word_what_to_write(file: Path, url: str) -> None:
    with pytest.raises(TargetRefused) as error:
        add(file, url)
    assert len(str(error.value)) > 30
    assert not file.exists()


def test_the_same_target_twice_too_many_and_one_that_is_gone_are_refused(file: Path) -> None:
    first = add(file, "json://h/0")
    with pytest.raises(TargetRefused, match="already"):
        add(file, "json://h/0")
    for place in range(1, targets.MOST):
        add(file, f"json://h/{place}")
    with pytest.raises(TargetRefused, match="as many as there may be"):
        add(file, "json://h/one-more")
    targets.remove(file, first.id)
    with pytest.raises(TargetRefused, match="no target"):
        targets.remove(file, first.id)


def test_an_address_that_apprise_cannot_use_is_refused(file: Path) -> None:
    with pytest.raises(TargetRefused, match="slack"):
        sending.usable(Target("x", "slack://nonsense"))


def test_a_service_that_fails_in_the_library_is_an_answer_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_url: str) -> None:
        raise ValueError("a fault of theirs")

    monkeypatch.setattr(apprised, "service_of", broken)

    assert apprised.tell("json://127.0.0.1:1/", "t", "b", "danger") == (
        False,
        "apprise failed at this: ValueError",
    )
