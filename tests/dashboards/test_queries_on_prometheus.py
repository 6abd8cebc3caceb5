"""Every query of every panel finds what the panel promises, on a real Prometheus."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from slo.dashboards.annotations import ENGINE_SERIES
from slo.duration import minutes
from tests.dashboards.conftest import BEFORE, END, HOUR, NOW, START, TURN, Site

pytestmark = pytest.mark.servers

FLAWLESS = re.compile("slo-shop-flawless")


class Asked(NamedTuple):
    where: str
    panel: dict[str, Any]
    target: dict[str, Any]
    expr: str


def dashboards(site: Site) -> dict[str, dict[str, Any]]:
    return {
        artifact.path: json.loads(artifact.text)
        for artifact in site.result.artifacts
        if artifact.kind == "dashboards"
    }


def substituted(expr: str, chosen: dict[str, str]) -> str:
    """Return *expr* as Grafana sends it."""
    for name, value in chosen.items():
        expr = expr.replace(f"${name}", value)
    return expr


def choices(site: Site, dashboard: dict[str, Any]) -> Iterator[dict[str, str]]:
    """Yield what people can choose at the top: each SLO of the detail, all groups elsewhere."""
    variables = {v["name"]: v for v in dashboard["templating"]["list"]}
    fixed = {v: ".*" for v, model in variables.items() if model.get("includeAll")}
    if "slo" not in variables:
        yield fixed
        return
    for plan in site.result.specs.slos:
        yield {"service": plan.service, "slo": plan.name}


def asked(site: Site) -> Iterator[Asked]:
    for path, dashboard in dashboards(site).items():
        for chosen in choices(site, dashboard):
            for panel in dashboard["panels"]:
                for target in panel.get("targets", []):
                    where = f"{path} {chosen.get('slo', '')} {panel['title']} {target['refId']}"
                    yield Asked(where, panel, target, substituted(target["expr"], chosen))


def values(site: Site, question: Asked) -> list[float]:
    if question.target["instant"]:
        return [sample.value for sample in site.prometheus.query(question.expr, at=site.at)]
    found = site.prometheus.query_range(question.expr, site.at - HOUR, site.at, minutes(4))
    return [value for series in found for _, value in series.values]


# A target that has nothing to say where another one of its panel has.
OPTIONAL = ("{{sloth_window}}", "{{alertname}} {{sloth_severity}} {{long_window}}")


def test_no_panel_is_empty_and_every_value_is_a_number(site: Site) -> None:
    questions = list(asked(site))
    assert len(questions) > 50
    wrong = []
    for question in questions:
        found = values(site, question)
        if not found and question.target["legendFormat"] in OPTIONAL:
            continue
        # Without a budget a burn rate is nothing to show; those panels show error ratios.
        if not found or any(not math.isfinite(value) for value in found):
            wrong.append(f"{question.where}: {found[:5]} {question.expr}")
    assert not wrong, "\n".join(wrong)


def of(site: Site, path: str, title: str, letter: str = "A", **chosen: str) -> list[float]:
    dashboard = dashboards(site)[f"dashboards/{path}.json"]
    (panel,) = [p for p in dashboard["panels"] if p["title"] == title]
    (target,) = [t for t in panel["targets"] if t["refId"] == letter]
    return values(site, Asked(path, panel, target, substituted(target["expr"], chosen)))


def error_ratio(seconds: float) -> float:
    """Return the share of bad events when so much of the outage has been recorded."""
    return (NOW * seconds + BEFORE * (TURN - START)) / (100 * (END - START))


OUTAGE = END - TURN
# The newest five minutes are still fading into the records that a period is made of.
MOST, LEAST = error_ratio(OUTAGE), error_ratio(OUTAGE - 300)


class TestValues:
    def test_budget_left_is_what_happened_against_the_objective(self, site: Site) -> None:
        for path, chosen in (
            ("slo-shop-requests", {}),
            ("slo-detail", {"service": "shop", "slo": "requests"}),
        ):
            (left,) = of(site, path, "Error budget left", **chosen)

            assert 1 - MOST / 0.01 <= left <= 1 - LEAST / 0.01

    def test_sli_of_the_period(self, site: Site) -> None:
        (sli,) = of(site, "slo-shop-requests", "SLI over the period")
        generic = of(site, "slo-detail", "SLI over the period", service="shop", slo="requests")

        assert 1 - MOST <= sli <= 1 - LEAST
        assert [pytest.approx(sli)] == generic

    def test_burn_rate_now(self, site: Site) -> None:
        (burn,) = of(site, "slo-shop-requests", "Burn rate now")

        assert NOW / 100 / 0.01 == pytest.approx(burn, rel=0.01)

    def test_exhaustion_is_over_when_the_budget_is(self, site: Site) -> None:
        left = of(site, "slo-shop-requests", "Error budget left")
        gone = of(site, "slo-shop-requests", "Budget gone in")

        assert left[0] < 0
        assert [0] == gone

    def test_exhaustion_is_what_is_left_by_the_burn_rate_of_the_hour(self, site: Site) -> None:
        """Of a budget of 40 % in 30 days."""
        ratio = {
            window: site.prometheus.value(
                f'slo:sli_error:ratio_rate{window}{{sloth_id="shop-loose"}}', at=site.at
            )
            for window in ("1h", "30d")
        }
        chosen = {"service": "shop", "slo": "loose"}

        expected = (0.4 - (ratio["30d"] or 0)) / (ratio["1h"] or 0) * 30 * 86_400
        assert 20 * 86_400 < expected < 60 * 86_400
        assert [pytest.approx(expected)] == of(site, "slo-shop-loose", "Budget gone in")
        assert [pytest.approx(expected)] == of(site, "slo-detail", "Budget gone in", **chosen)

    def test_firing_alerts_are_counted(self, site: Site) -> None:
        (firing,) = of(site, "slo-shop-requests", "Alerts firing")

        assert firing == len(
            site.prometheus.query(
                'ALERTS{sloth_id="shop-requests",alertstate="firing"}', at=site.at
            )
        )
        assert firing >= 1

    def test_events_are_all_requests(self, site: Site) -> None:
        good = of(site, "slo-shop-requests", "Good and bad events", "A")
        bad = of(site, "slo-shop-requests", "Good and bad events", "B")

        assert 100 - NOW == pytest.approx(good[-1], rel=0.01)
        assert NOW == pytest.approx(bad[-1], rel=0.01)

    def test_generic_events_fall_back_to_shares(self, site: Site) -> None:
        chosen = {"service": "shop", "slo": "requests"}
        good = of(site, "slo-detail", "Good and bad events", "A", **chosen)
        bad = of(site, "slo-detail", "Good and bad events", "B", **chosen)
        scale = 100 if site.result.specs.services[0].slos[0].origin.spec == "slo/v1" else 1

        assert scale == pytest.approx(good[-1] + bad[-1], rel=0.01)
        assert scale * NOW / 100 == pytest.approx(bad[-1], rel=0.01)

    def test_a_team_sees_its_events(self, site: Site) -> None:
        """The owner is a label of the user, which recorded events do not carry."""
        found = of(site, "team-payments", "Bad events")
        events = site.result.specs.services[0].slos[0].origin.spec == "slo/v1"

        assert pytest.approx(NOW if events else NOW / 100, rel=0.01) == max(found)

    def test_wall_counts(self, site: Site) -> None:
        total = len(site.result.specs.slos)

        assert [total] == of(site, "slo-overview", "Objectives")
        assert of(site, "slo-overview", "Pages firing")[0] >= 1
        assert of(site, "slo-overview", "Budgets used up")[0] >= 1

    def test_the_table_has_each_objective_once_and_the_burning_first(self, site: Site) -> None:
        dashboard = dashboards(site)["dashboards/slo-overview.json"]
        (panel,) = [p for p in dashboard["panels"] if p["type"] == "table"]
        rows = {
            t["refId"]: {
                s.labels["sloth_slo"]: s.value for s in site.prometheus.query(t["expr"], at=site.at)
            }
            for t in panel["targets"]
        }

        everyone = {plan.name for plan in site.result.specs.slos}
        assert everyone == set(rows["A"]) == set(rows["F"])
        ranked = sorted(rows["A"], key=lambda name: -rows["A"][name])
        assert rows["A"][ranked[0]] >= 400
        assert rows["A"]["requests"] >= 400


class TestOutside:
    def test_annotations_are_queries_that_run(self, site: Site) -> None:
        for dashboard in dashboards(site).values():
            for mark in dashboard["annotations"]["list"][1:]:
                expr = substituted(mark["expr"], {"service": "shop", "slo": "requests"})
                found = site.prometheus.query(expr, at=site.at)
                if mark["name"] == "Pages" and "requests" in expr:
                    assert found
        assert 4 == len(ENGINE_SERIES)

    def test_variables_offer_what_there_is(self, site: Site) -> None:
        dashboard = dashboards(site)["dashboards/slo-detail.json"]
        queries = {v["name"]: v.get("definition") for v in dashboard["templating"]["list"]}
        series, label = re.fullmatch(
            r"label_values\((.+), (\w+)\)", substituted(queries["slo"], {"service": "shop"})
        ).groups()

        offered = {s.labels[label] for s in site.prometheus.query(series, at=site.at)}
        assert {plan.name for plan in site.result.specs.slos} == offered
