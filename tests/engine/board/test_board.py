"""The board in a real browser, over the real API."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from slo.engine.ledger.records import Token
from slo.engine.ledger.tokens import new_token
from slo.engine.status.model import State

from . import sample
from .served import Served, serving

pytestmark = pytest.mark.servers

WAIT_MS = 20_000
Open = Callable[..., Any]


@pytest.fixture
def complaints() -> list[str]:
    return []


@pytest.fixture
def opened(browser: Any, complaints: list[str]) -> Iterator[Open]:
    """Open a page and note whatever the browser complains of."""
    contexts = []

    def open_page(url: str, width: int = 1440, height: int = 900, **options: Any) -> Any:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        context.set_default_timeout(WAIT_MS)
        page = context.new_page()
        # Violations of the content security policy are errors of the console too.
        page.on(
            "console",
            lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None,
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(url)
        return page

    yield open_page
    for context in contexts:
        context.close()


def until(page: Any, condition: str) -> None:
    """Wait for a condition; Playwright's own way needs `eval`, which the policy forbids."""
    for _ in range(WAIT_MS // 100):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"never came true: {condition}")


def rows(page: Any) -> list[str]:
    page.wait_for_selector(".slos tbody tr")
    return page.eval_on_selector_all(".slos tbody tr", "all => all.map(row => row.dataset.key)")


class TestOverview:
    def test_begins_with_what_needs_attention(
        self, opened: Open, engine: Served, complaints: list[str]
    ) -> None:
        page = opened(engine.url)

        assert [
            "checkout/availability",
            "search/latency",
            "stock-sync/freshness",
            "exports/freshness",
            "webhooks/availability",
            "payments/availability",
            "orders/latency",
            "api-gateway/latency",
            "identity/availability",
            "cart/availability",
        ] == rows(page)[:10]
        assert 100 == len(rows(page))
        assert "(2) Error budgets" == page.title()
        assert [] == complaints

    def test_shows_numbers_as_text(self, opened: Open, engine: Served) -> None:
        page = opened(engine.url)
        text = page.locator('tr[data-key="checkout/availability"]').inner_text()

        for expected in ("Breached", "\u221262.0", "21", "gone", "tier"):
            assert expected in text

    def test_filters_stand_in_the_address(self, opened: Open, engine: Served) -> None:
        page = opened(engine.url)
        rows(page)
        page.click("button.chip.frozen")
        page.wait_for_url("**/?state=frozen")

        assert ["cart/availability", "cart/latency", "cart/freshness"] == rows(page)
        assert "true" == page.get_attribute("button.chip.frozen", "aria-pressed")

        page.go_back()
        until(page, "document.querySelectorAll('.slos tbody tr').length === 100")
        page.fill("#search", "stock fresh")
        until(page, "document.querySelectorAll('.slos tbody tr').length === 1")
        assert page.url.endswith("?q=stock+fresh")

        again = opened(page.url)
        assert ["stock-sync/freshness"] == rows(again)
        assert "stock fresh" == again.input_value("#search")

    def test_is_worked_from_the_keyboard(self, opened: Open, engine: Served) -> None:
        page = opened(engine.url)
        rows(page)
        page.keyboard.press("/")
        assert "search" == page.evaluate("document.activeElement.id")
        page.keyboard.type("payments/")
        until(page, "document.querySelectorAll('.slos tbody tr').length === 3")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowUp")
        page.keyboard.press("Enter")
        page.wait_for_selector(".detail h1")
        assert "availability" in page.inner_text(".detail h1")
        page.keyboard.press("Escape")
        assert 100 == len(rows(page))
        page.keyboard.press("?")
        assert page.is_visible("dialog.help")
        page.keyboard.press("Escape")
        assert not page.is_visible("dialog.help")
        page.keyboard.press("t")
        assert "light" == page.evaluate("document.documentElement.dataset.theme")

    def test_new_numbers_come_by_themselves(self, opened: Open, engine_of_its_own: Served) -> None:
        page = opened(engine_of_its_own.url)
        rows(page)
        better = sample.snapshot(engine_of_its_own.now(), 2)
        statuses = tuple(s for s in better.statuses if s.state is not State.BREACHED)
        engine_of_its_own.publish(type(better)(2, better.taken_at, statuses, better.sources))
        until(page, "document.querySelector('.chip.breached b').textContent === '0'")

        assert "stock-sync/freshness" == rows(page)[0]
        assert "Error budgets" == page.title()

    @pytest.mark.parametrize("width", [320, 768, 1440, 3840])
    @pytest.mark.parametrize("address", ["/", "/?slo=checkout/availability", "/?view=activity"])
    def test_nothing_lies_beside_the_page(
        self, opened: Open, engine: Served, width: int, address: str
    ) -> None:
        page = opened(engine.url + address, width)
        page.wait_for_selector(".slos tbody tr, .tiles, .activity h1")
        page.wait_for_timeout(300)

        assert page.evaluate("document.documentElement.scrollWidth") <= width

    def test_ten_thousand_slos_are_paged(self, opened: Open, tmp_path: Path) -> None:
        with serving(tmp_path, lambda now: sample.snapshot(now, count=10_000)) as served:
            page = opened(served.url)
            assert 100 == len(rows(page))
            assert "10000" in page.inner_text(".found").replace(",", "")
            page.keyboard.press("ArrowRight")
            page.wait_for_url("**page=2")
            page.wait_for_selector("text=Page 2 of 100")
            took = page.evaluate(
                """async () => { const began = performance.now();
                document.querySelector('.chip.ok').click();
                await new Promise(requestAnimationFrame);
                return performance.now() - began; }"""
            )
            print(f"10,000 SLOs filtered and drawn in {took:.0f} ms")
            page.wait_for_url("**state=ok")


class TestDetail:
    def test_shows_all_there_is(self, opened: Open, engine: Served, complaints: list[str]) -> None:
        page = opened(engine.url + "/?slo=checkout/availability")
        page.wait_for_selector(".plot .below .line")
        text = page.inner_text(".detail")

        for expected in (
            "162 % of the error budget is spent",
            "CheckoutAvailabilityBurnsFast",
            "Database moved to the new cluster",
            "budget spent, page firing",
            "bad events too many",
        ):
            assert expected in text
        assert 7 == page.locator(".rate").count()
        assert page.get_attribute(".facts a.runbook", "href").startswith("https://runbooks.")
        assert [] == complaints

    def test_an_unknown_slo_is_said_to_be_unknown(self, opened: Open, engine: Served) -> None:
        page = opened(engine.url + "/?slo=no/such")
        page.wait_for_selector("text=The engine knows no SLO of that name")


class TestWall:
    @pytest.mark.slow
    def test_turns_its_pages_and_fits_the_screen(
        self, opened: Open, engine: Served, complaints: list[str]
    ) -> None:
        page = opened(engine.url + "/?wall", 1920, 1080)
        page.wait_for_selector(".wall-tile")

        assert 9 == page.locator(".wall-tile").count()
        assert not page.is_visible(".top")
        assert page.evaluate("document.documentElement.scrollWidth") <= 1920
        assert page.evaluate("document.documentElement.scrollHeight") <= 1080
        until(page, "document.querySelectorAll('.wall-tile').length === 3")
        assert [] == complaints

    def test_says_so_when_all_is_well(self, opened: Open, tmp_path: Path) -> None:
        def make(now: float) -> Any:
            found = sample.snapshot(now)
            fine = tuple(s for s in found.statuses if s.state is State.OK)
            return type(found)(1, now, fine, found.sources)

        with serving(tmp_path, make) as served:
            page = opened(served.url + "/?wall", 1920, 1080)
            page.wait_for_selector("text=All 108 SLOs are within budget")


class TestNotKnowing:
    def test_an_engine_that_is_gone_leaves_its_numbers_and_a_banner(
        self, opened: Open, tmp_path: Path
    ) -> None:
        with serving(tmp_path) as served:
            page = opened(served.url)
            before = rows(page)
            until(page, "document.querySelector('#freshness').dataset.level === 'fresh'")
        page.wait_for_selector("#banner:not([hidden])")

        assert "The engine does not answer" in page.inner_text("#banner")
        assert before == rows(page)
        assert "aging" == page.evaluate("document.body.dataset.freshness")

    def test_old_numbers_are_not_green(self, opened: Open, tmp_path: Path) -> None:
        with serving(tmp_path) as served:
            page = opened(served.url)
            rows(page)
            assert "108" == page.inner_text(".chip.ok b")
            served.ahead = 1_000.0
            until(page, "document.body.dataset.freshness === 'stale'")

            until(page, "document.querySelector('.chip.ok b').textContent === '0'")
            assert "Do not rely on them" in page.inner_text("#banner")
            assert "120" == page.inner_text(".chip.stale b")

    def test_a_token_is_asked_for_and_kept(self, opened: Open, tmp_path: Path) -> None:
        secret, digest = new_token()
        with serving(tmp_path, tokens_required=True) as served:
            served.ledger.add_token(Token("tok-1", "wall", ("read",), served.now()), digest)
            served.refresh_records()
            page = opened(served.url)
            page.fill("#token", "slo_wrong")
            page.click(".login button")
            page.wait_for_selector("text=That did not work")
            page.fill("#token", secret)
            page.click(".login button")
            assert 100 == len(rows(page))
            cookie = page.context.cookies()[0]
            assert (True, "Strict") == (cookie["httpOnly"], cookie["sameSite"])
            page.reload()
            assert 100 == len(rows(page))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "address", ["/", "/?slo=checkout/availability", "/?view=activity", "/?wall"]
)
def test_nobody_is_shut_out(opened: Open, engine: Served, address: str, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    # Only the test injects a script, so only it goes round the policy.
    page = opened(engine.url + address, color_scheme=scheme, bypass_csp=True)
    page.wait_for_selector(".slos tbody tr, .plot .rate, .activity h1, .wall-tile")
    page.wait_for_timeout(600)
    found = axe.Axe().run(page)

    assert [] == [
        (v["id"], v["nodes"][0]["html"][:160], v["nodes"][0]["failureSummary"][:200])
        for v in found.response["violations"]
    ]


def test_an_slo_that_is_well_shows_nothing_odd(opened: Open, engine: Served) -> None:
    page = opened(f"{engine.url}/?slo=adverts/availability")
    page.wait_for_selector(".rate .value")
    text = page.locator("main").inner_text()

    for odd in ("null", "undefined", "NaN", "[object"):
        assert odd not in text


def test_burn_rates_show_from_where_on_somebody_is_told(opened: Open, engine: Served) -> None:
    page = opened(f"{engine.url}/?slo=checkout/availability")
    page.wait_for_selector(".rate .value")

    kinds = ("page", "ticket")
    assert [4, 4] == [page.locator(f".limit.{kind}").count() for kind in kinds]
    assert "page above 14.4" in page.locator(".limit.page title").first.text_content()
    assert "somebody is paged" in page.locator("main").inner_text()


def test_parts_are_served_with_their_types_and_tags(engine: Served) -> None:
    import httpx

    page = httpx.get(engine.url)
    assert "text/html; charset=utf-8" == page.headers["content-type"]
    assert "script-src 'self'" in page.headers["content-security-policy"]
    script = httpx.get(engine.url + "/board/app.js")
    assert script.headers["content-type"].startswith("text/javascript")
    known = httpx.get(
        engine.url + "/board/app.js", headers={"If-None-Match": script.headers["etag"]}
    )
    assert 304 == known.status_code
    for nothing in ("nothing.js", "index.html", "..%2fmount.py", "__init__.py"):
        assert 404 == httpx.get(f"{engine.url}/board/{nothing}").status_code
    assert 307 == httpx.get(engine.url + "/board").status_code
