"""Dashboards mark what stands in the ledger by series of the engine."""

from __future__ import annotations

from slo.dashboards.annotations import ENGINE_SERIES
from slo.engine.ledger.records import Correction, Decision, Freeze, Override, Target

from .made import NOW, Made

SHOP = Target("shop/*", "prod")


def lines(api: Made) -> list[str]:
    text = api.client.get("/metrics").text
    return [line for line in text.splitlines() if line.startswith(ENGINE_SERIES)]


def test_what_is_in_force_is_exposed_and_ends_with_it(api: Made) -> None:
    api.ledger.add_freeze(Freeze("f", SHOP, NOW, NOW + 60, 'a "big" launch', "me", NOW))
    api.ledger.add_override(Override("o", SHOP, "allow", "fix", "me", NOW, NOW + 60))
    api.ledger.add_correction(
        Correction("c", SHOP, NOW, NOW + 60, "exclude", "maintenance", "disks", "me", NOW)
    )
    request = {"service": "shop", "environment": "prod", "version": "1.2"}
    api.ledger.add_decision(Decision("d", NOW - 5, request, "allow", ("ok",), {}, "p", "ci"))
    api.refresh()

    place = 'slo="shop/*",environment="prod"'
    decided = (
        'slo_engine_last_decision_time_seconds{service="shop",environment="prod",version="1.2",'
        f'verdict="allow"}} {NOW - 5:.3f}'
    )
    assert [
        f'slo_engine_correction_active{{id="c",{place},reason="disks",category="maintenance",'
        'effect="exclude"} 1',
        f'slo_engine_freeze_active{{id="f",{place},reason="a \\"big\\" launch"}} 1',
        f'slo_engine_override_active{{id="o",{place},reason="fix",verdict="allow"}} 1',
        decided,
    ] == lines(api)

    api.now += 120
    assert [decided] == lines(api)


def test_every_series_that_dashboards_read_is_described(api: Made) -> None:
    text = api.client.get("/metrics").text

    for name in ENGINE_SERIES:
        assert f"# TYPE {name} gauge" in text
