"""Who may call: by e-mail on a local stack, by a session token elsewhere."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.e2e.browser import open_call_page, open_page, run_chromium
from tests.e2e.scripted_api import account, refusal, serve_page

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with run_chromium(microphone=None) as running:
        yield running


async def test_an_email_opens_a_session_that_survives_a_reload(browser: Browser) -> None:
    async with serve_page(account()) as api:
        page = await open_call_page(browser, api.base_url, email="ann@example.org")
        assert api.sent_to("/dev/session") == [{"email": "ann@example.org"}]
        await page.page.reload()
        await page.wait_phase("idle")
        await page.see("10,000 credits")
    assert {bearer for path, _, bearer in api.asked if path.startswith("/api/")} == {
        "Bearer session-of-ann"
    }


async def test_logging_out_forgets_the_session(browser: Browser) -> None:
    async with serve_page(account()) as api:
        page = await open_call_page(browser, api.base_url, email="ann@example.org")
        await page.page.get_by_role("button", name="Log out").click()
        await page.wait_phase("login")
        await page.page.reload()
        await page.wait_phase("login")
        assert await page.page.evaluate("sessionStorage.length") == 0


async def test_a_token_in_the_address_is_used_and_taken_out_of_it(browser: Browser) -> None:
    async with serve_page(account(), local=False) as api:
        page = await open_page(browser, api.base_url, path="/?from=shop#token=abc.def.ghi")
        await page.wait_phase("idle")
        assert page.page.url == f"{api.base_url}/?from=shop"
        assert api.asked[-1][2] == "Bearer abc.def.ghi"
        assert await page.page.evaluate("history.length") <= 2


async def test_outside_a_local_stack_a_token_is_asked_for(browser: Browser) -> None:
    async with serve_page(account(), local=False) as api:
        page = await open_page(browser, api.base_url)
        await page.wait_phase("login")
        assert await page.page.get_by_label("Your e-mail").count() == 0
        await page.page.get_by_label("Session token").fill(" abc.def.ghi ")
        await page.page.get_by_role("button", name="Continue").click()
        await page.wait_phase("idle")
    assert api.asked[-1][2] == "Bearer abc.def.ghi"
    assert api.sent_to("/dev/session") == []


async def test_a_token_that_is_not_valid_is_not_kept(browser: Browser) -> None:
    async with serve_page(account(), local=False) as api:
        api.answers["/api/credits"] = refusal(401, "User not found")
        page = await open_page(browser, api.base_url, path="/#token=stale")
        await page.wait_phase("login")
        assert "not logged in" in await page.problem()
        assert await page.page.evaluate("sessionStorage.length") == 0


async def test_a_service_that_is_down_does_not_throw_the_session_away(browser: Browser) -> None:
    async with serve_page(account()) as api:
        page = await open_call_page(browser, api.base_url, email="ann@example.org")
        api.answers["/api/credits"] = refusal(503, "Database is down")
        await page.page.reload()
        await page.see("The service is not ready")
        assert await page.page.evaluate("sessionStorage.length") == 1


async def test_voices_come_from_the_service_when_it_names_them(browser: Browser) -> None:
    async with serve_page(account()) as api:
        api.answers["/api/voices"].body = {"data": [{"name": "Nova"}, {"name": "Ara"}]}
        page = await open_call_page(browser, api.base_url, email="ann@example.org")
        names = await page.page.locator("#voices label").all_inner_texts()
        assert names == ["Nova", "Ara"]
        assert await page.page.get_by_role("radio", name="Ara").is_checked()


async def test_the_five_voices_and_twenty_languages_are_there_without_it(browser: Browser) -> None:
    async with serve_page(account()) as api:
        del api.answers["/api/voices"]
        page = await open_call_page(browser, api.base_url, email="ann@example.org", locale="nb-NO")
        names = await page.page.locator("#voices label").all_inner_texts()
        codes = await page.page.locator("#language option").evaluate_all(
            "options => options.map((option) => option.value)"
        )
        assert names == ["Ara", "Rex", "Sal", "Eve", "Leo"]
        assert codes == "ar cs da de en es fi fr hi it ja ko nl no pl pt ru sv tr zh".split()
        assert await page.page.get_by_label("Language").input_value() == "no"
