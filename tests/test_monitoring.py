"""The guide, the dashboard and the rules name what there is, and nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from lvs.reported import metrics
from lvs.reported.exposition import HISTOGRAM, Metric
from piranha_web.alerts.rules import KINDS
from piranha_web.metrics import site, web

ROOT = Path(__file__).parent.parent
GUIDE = (ROOT / "docs" / "monitoring.md").read_text()
DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "piranha.json").read_text())
RULES = (ROOT / "deploy" / "prometheus" / "alerts.yml").read_text()
METRICS: tuple[Metric, ...] = (*metrics.OF_A_ROUTER, *site.OF_THE_SITE, *web.OF_THE_WEB)
NAMES = {
    name: one
    for one in METRICS
    for name in (
        [f"{one.name}{end}" for end in ("_bucket", "_sum", "_count")] if one.kind == HISTOGRAM else [one.name]
    )
}
WORD = re.compile(r"\bpiranha_[a-z_]+\b")
SELECTOR = re.compile(r"\b(piranha_[a-z_]+)\{([^}]*)\}")


def row(one: Metric) -> str:
    return f"| `{one.name}` | {one.kind} | {', '.join(one.labels) or '–'} | {one.says} |"


def test_the_guide_has_a_row_for_each_metric_and_no_other() -> None:
    missing = [row(one) for one in METRICS if row(one) not in GUIDE]
    assert not missing, "put these rows into docs/monitoring.md:\n" + "\n".join(missing)
    named = set(re.findall(r"^\| `(piranha_\w+)` \|", GUIDE, re.MULTILINE))
    assert named == {one.name for one in METRICS}


def test_the_guide_has_a_row_for_each_kind_of_alert_and_what_to_do() -> None:
    for name, kind in KINDS.items():
        told = "it happens" if kind.is_event else f"after {kind.after:g} s"
        begin = f"| `{name}` | {kind.level} | {told} | {kind.says} | "
        rows = [line for line in GUIDE.splitlines() if line.startswith(begin)]
        assert len(rows) == 1, begin
        assert len(rows[0]) > len(begin) + 10, "what to do"


def expressions() -> list[str]:
    """Of every panel of the dashboard, and of every rule."""
    panels = [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", ())]
    asked = [one["definition"] for one in variables() if one["type"] == "query"]
    rules = [rule["expr"] for group in yaml.safe_load(RULES)["groups"] for rule in group["rules"]]
    return [*panels, *asked, *rules]


def variables() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = DASHBOARD["templating"]["list"]
    return found


def test_every_metric_that_the_dashboard_and_the_rules_name_is_there() -> None:
    found = expressions()
    assert len(found) > 40
    for expression in found:
        for name in WORD.findall(expression):
            assert name in NAMES, expression


def test_every_label_that_they_select_by_is_one_of_that_metric() -> None:
    for expression in expressions():
        for name, inner in SELECTOR.findall(expression):
            for label in re.findall(r"([a-z_]+)\s*[=!]~?", inner):
                assert label in NAMES[name].labels, expression


def test_the_dashboard_is_one_that_grafana_takes() -> None:
    """Against what its model needs (grafana.com, "Dashboard JSON model"); Grafana itself is not asked."""
    assert DASHBOARD["title"]
    assert DASHBOARD["schemaVersion"] >= 36
    assert "id" not in DASHBOARD  # it would be another dashboard's on the next Grafana
    known = {one["name"] for one in variables()}
    used = set(re.findall(r"\$\{?([a-z_]+)\}?", json.dumps(DASHBOARD))) - {"__rate_interval", "__all"}
    assert used <= known
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        assert panel["type"] in ("row", "stat", "timeseries")
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
        if panel["type"] != "row":
            assert panel["targets"], panel["title"]
            refs = [target["refId"] for target in panel["targets"]]
            assert len(refs) == len(set(refs))


def test_no_rule_wakes_anybody_for_a_router_that_was_set_aside_before_it_may_be_forgotten() -> None:
    (group,) = yaml.safe_load(RULES)["groups"]
    rules = {rule["alert"]: rule for rule in group["rules"]}
    for name in ("PiranhaRouterUnfit", "PiranhaRouterSilent"):
        assert " unless on(router) " in rules[name]["expr"]
        assert "piranha_router_set_aside" in rules[name]["expr"]
    forgotten = rules["PiranhaRouterSetAside"]
    assert (forgotten["expr"], forgotten["for"]) == ("piranha_router_set_aside == 1", "24h")


def test_each_rule_has_a_severity_a_time_and_a_sentence() -> None:
    (group,) = yaml.safe_load(RULES)["groups"]
    rules = group["rules"]
    assert len(rules) >= 15
    names = [rule["alert"] for rule in rules]
    assert len(names) == len(set(names))
    for rule in rules:
        assert re.fullmatch(r"\d+[smh]", rule["for"]), rule
        assert rule["labels"]["severity"] in ("critical", "warning"), rule
        assert len(rule["annotations"]["summary"]) > 20, rule


def test_brackets_of_every_expression_are_closed() -> None:
    for expression in expressions():
        for begin, end in ("()", "{}", "[]"):
            assert expression.count(begin) == expression.count(end), expression
