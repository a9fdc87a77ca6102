"""ALERTS and `piranha alert`: targets come and go, no secret is shown, and what is chosen counts."""

from __future__ import annotations

import io
import subprocess
import sys
from argparse import Namespace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from lvs import models
from lvs.reported import reports
from piranha_web.alerts import duty, targets
from piranha_web.alerts.rules import KINDS
from piranha_web.console import alert_command
from tests.conftest import RedisServer
from tests.web.listening import Webhook, served
from tests.web.pages import fields_of, text_of
from tests.web.reports import report

SECRET = "s3cr3t-path"
URL = f"jsons://hooks.example.org/{SECRET}"
Action = models.AuditEntry.Action


@pytest.fixture(autouse=True)
def file(site: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    judged = targets.judge_hosts
    monkeypatch.setattr(targets, "judge_hosts", lambda one, *, ask: judged(one, ask=False))  # no DNS here
    site.PIRANHA_ALERTS_FILE = tmp_path / "alerts.targets"
    return tmp_path / "alerts.targets"


def one_target(file: Path, url: str = URL) -> targets.Target:
    return targets.add(file, url, "the hall", by="anna", at="")


def operator_of(cluster: models.Cluster) -> models.Account:
    """The account of `viewer` operates this cluster, and no other."""
    account = models.Account.objects.create(name="vera", role=models.UserRole.VIEWER)
    models.ClusterRole.objects.create(account=account, cluster=cluster, role=models.UserRole.OPERATOR)
    return account


def test_an_empty_page_says_that_nobody_is_told_and_how_to_begin(
    administrator: Client, cluster: models.Cluster, redis_server: RedisServer
) -> None:
    report(reports.MANAGER, None)
    page = text_of(administrator.get("/alerts"))

    assert "Nobody yet: add a mailbox" in page
    assert "Nothing that anybody would be told of" in page


def test_a_worker_that_does_not_run_looks_at_nothing_and_the_page_says_so(
    administrator: Client, cluster: models.Cluster, redis_server: RedisServer
) -> None:
    page = text_of(administrator.get("/alerts"))
    assert "Nobody looks, so nobody is told of anything" in page
    assert "Nothing that anybody would be told of" not in page

    report(reports.MANAGER, None)
    page = text_of(administrator.get("/alerts"))
    assert "Nobody looks" not in page
    assert "Nothing that anybody would be told of" in page


def test_a_target_is_added_and_its_secret_never_shown_again(
    administrator: Client, cluster: models.Cluster, file: Path
) -> None:
    response = administrator.post("/alerts", {"url": URL, "note": "the hall"})
    assert response.status_code == 302

    page = text_of(administrator.get("/alerts"))

    assert "jsons://hooks.example.org/…" in page
    assert "the hall" in page
    assert SECRET not in page
    assert SECRET in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    assert not models.AuditEntry.objects.filter(text__contains=SECRET).exists()
    assert SECRET not in str(list(models.AuditEntry.objects.values_list("details", flat=True)))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "file:///etc/passwd",
        "slack://nonsense",
        "json://169.254.169.254/",
        "json://2852039166/",
        "json://h/?method=GET",
    ],
)
def test_what_is_no_target_is_refused_at_the_field_and_not_shown_again(
    administrator: Client, cluster: models.Cluster, file: Path, url: str
) -> None:
    response = administrator.post("/alerts", {"url": url, "note": ""})

    assert response.status_code == 200
    page = text_of(response)
    assert "Nothing was changed" in page
    assert f'value="{url}"' not in page or not url
    assert not file.exists()


def test_a_target_is_removed(administrator: Client, cluster: models.Cluster, file: Path) -> None:
    made = one_target(file)

    page = text_of(administrator.post("/alerts/remove", {"target": made.id}, follow=True))

    assert "Removed jsons://hooks.example.org/…" in page
    assert targets.read(file) == []
    assert "no target" in text_of(administrator.post("/alerts/remove", {"target": made.id}, follow=True))


def test_the_test_says_what_the_other_side_answered(
    administrator: Client, cluster: models.Cluster, file: Path
) -> None:
    with served(Webhook()) as webhook:
        made = one_target(file, webhook.url)
        assert "has taken the test" in text_of(
            administrator.post("/alerts/test", {"target": made.id}, follow=True)
        )
        webhook.status = 418
        page = text_of(administrator.post("/alerts/test", {"target": made.id}, follow=True))

    assert len(webhook.bodies) == 1
    assert "did not reach json://127.0.0.1" in page
    assert "418" in page
    assert SECRET not in page
    outcomes = models.AuditEntry.objects.filter(action=Action.ALERT).values_list("outcome", flat=True)
    assert sorted(outcomes) == ["done", "failed"]


def test_what_is_told_is_chosen(administrator: Client, cluster: models.Cluster) -> None:
    page = text_of(administrator.get("/alerts"))
    assert page.count('name="told"') == len(KINDS)

    administrator.post(
        "/alerts/choose", {"told": ["failover", "redis"], "remind_hours": 8, "servers_after": 5}
    )

    kept = models.AlertChoice.now()
    assert set(KINDS) - set(kept.off) == {"failover", "redis"}
    policy = duty.policy_of(kept)
    assert (policy.remind, policy.servers_after) == (8 * 3600, 5)


def test_a_wrong_choice_changes_nothing_and_says_why(administrator: Client, cluster: models.Cluster) -> None:
    response = administrator.post("/alerts/choose", {"told": ["x"], "remind_hours": 0, "servers_after": -1})

    assert "Nothing was changed" in text_of(response)
    assert not models.AlertChoice.objects.exists()


def test_it_is_quiet_until_a_time_of_this_cluster_or_of_all(
    administrator: Client, cluster: models.Cluster
) -> None:
    administrator.post("/alerts/quiet", {"until": "2h", "reason": "new cables"})
    kept = models.AlertChoice.now()
    assert kept.quiet_cluster == "lab"
    assert kept.quiet_until is not None
    assert timedelta(hours=1) < kept.quiet_until - timezone.now() <= timedelta(hours=2)
    assert "new cables" in text_of(administrator.get("/alerts"))

    administrator.post("/alerts/quiet", {"end": "1"})
    assert models.AlertChoice.now().quiet_until is None

    administrator.post("/alerts/quiet", {"until": "2h", "everywhere": "on"})
    assert models.AlertChoice.now().quiet_cluster == ""


def test_who_operates_one_cluster_neither_ends_nor_replaces_what_is_quiet_for_another(
    viewer: Client, cluster: models.Cluster
) -> None:
    other = models.Cluster.objects.create(name="other")
    account = operator_of(cluster)
    end = timezone.now() + timedelta(hours=1)
    kept = models.AlertChoice.objects.create(pk=1, quiet_until=end, quiet_cluster=other.name, quiet_by="anna")

    for said in ({"end": "1"}, {"until": "2h"}):
        page = text_of(viewer.post("/alerts/quiet", said, follow=True))
        assert "it is quiet for other now" in page
        kept.refresh_from_db()
        assert (kept.quiet_until, kept.quiet_cluster) == (end, "other")

    models.ClusterRole.objects.create(account=account, cluster=other, role=models.UserRole.OPERATOR)
    viewer.post("/alerts/quiet", {"end": "1"})
    assert models.AlertChoice.now().quiet_until is None


def test_a_quiet_of_all_clusters_that_is_over_binds_nobody(viewer: Client, cluster: models.Cluster) -> None:
    operator_of(cluster)
    kept = models.AlertChoice.objects.create(pk=1, quiet_until=timezone.now() + timedelta(hours=1))

    page = text_of(viewer.post("/alerts/quiet", {"until": "2h"}, follow=True))
    assert "that concerns all clusters" in page

    models.AlertChoice.objects.update(quiet_until=timezone.now() - timedelta(hours=1))
    viewer.post("/alerts/quiet", {"until": "2h"})

    kept.refresh_from_db()
    assert kept.quiet_cluster == "lab"


@pytest.mark.parametrize("until", ["", "whenever", "900 d"])
def test_a_time_that_is_none_changes_nothing(
    administrator: Client, cluster: models.Cluster, until: str
) -> None:
    page = text_of(administrator.post("/alerts/quiet", {"until": until}, follow=True))

    assert "Nothing was changed" in page
    assert not models.AlertChoice.objects.exists()


def test_what_is_wrong_and_what_did_not_arrive_is_on_the_page(
    administrator: Client, cluster: models.Cluster, file: Path
) -> None:
    made = one_target(file)
    models.Alert.objects.create(
        key="x",
        kind="service_down",
        scope="site",
        sentence="lab: No real server serves <shop>.",
        began=1.0,
        told=6.0,
    )
    models.AlertMessage.objects.create(
        target=made.id, kind="x", level="danger", title="lab", body="", error="it is away", tries=3
    )

    page = text_of(administrator.get("/alerts"))

    assert "No real server serves &lt;shop&gt;." in page
    assert "not taken: it is away" in page
    assert "Messages do not reach every target" in page


def test_a_broken_list_is_said_and_nothing_can_be_added_to_it(
    administrator: Client, cluster: models.Cluster, file: Path
) -> None:
    file.write_text("[1]")

    assert "cannot be understood" in text_of(administrator.get("/alerts"))
    assert "cannot be understood" in text_of(administrator.post("/alerts", {"url": URL, "note": ""}))
    assert file.read_text() == "[1]"


def test_the_form_shows_what_was_chosen(administrator: Client, cluster: models.Cluster) -> None:
    models.AlertChoice.objects.create(pk=1, remind_hours=9, servers_after=7)

    fields = fields_of(administrator, "/alerts")

    assert (fields["remind_hours"], fields["servers_after"]) == ("9", "7")


# ---- the command


def command(capsys: pytest.CaptureFixture[str], verb: str, **words: Any) -> tuple[int, str, str]:
    """What `piranha alert VERB` does and prints."""
    given = {"target": "", "note": "", "stdin": True, **words}
    code = alert_command.alert_command(Namespace(verb=verb, **given))
    said = capsys.readouterr()
    return code, said.out, said.err


def test_the_command_adds_lists_tests_and_removes(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(Webhook()) as webhook:
        monkeypatch.setattr(sys, "stdin", io.StringIO(f"{webhook.url}\n"))
        code, name, _said = command(capsys, "add", note="the hall")
        assert code == 0
        code, out, _said = command(capsys, "list")
        assert (code, "the hall" in out, SECRET in out) == (0, True, False)
        code, out, _said = command(capsys, "test")
        assert (code, "taken" in out) == (0, True)
        webhook.status = 500
        code, out, _said = command(capsys, "test", target=name.strip())
        assert (code, "500" in out) == (1, True)

    assert command(capsys, "remove", target=name.strip())[0] == 0
    assert command(capsys, "remove", target=name.strip())[0] == 1
    assert command(capsys, "test")[0] == 1
    assert "makes a beginning" in command(capsys, "list")[2]


def test_the_command_takes_no_address_as_an_argument() -> None:
    piranha = Path(sys.executable).parent / "piranha"

    ran = subprocess.run([piranha, "alert", "add", URL], capture_output=True, text=True, check=False)

    assert ran.returncode == 2
