"""The call page for one account: real routes and a real database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest_asyncio
from playwright.async_api import Browser, expect

from local.web_assets import ensure_web_assets
from tests.e2e.browser import CallPage, open_page, run_chromium
from tests.e2e.served_app import served
from tests.web_process import (
    Caller,
    Media,
    Web,
    no_media_server,
    running_web,
    session_token,
    web_settings,
)

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Site:
    web: Web
    base_url: str

    async def unfolded(self, browser: Browser, caller: Caller, part: str) -> CallPage:
        """Logged in, with this part of the page unfolded and loaded."""
        token = session_token(sub=caller.account.email)
        shown = await open_page(browser, self.base_url, path=f"/#token={token}")
        await shown.wait_phase("idle")
        fold = shown.page.locator("details.fold", has=shown.page.get_by_text(part, exact=True))
        await shown.page.get_by_text(part, exact=True).click()
        await expect(fold.locator(".fold-body").or_(fold.get_by_role("alert"))).to_be_visible()
        return shown


@asynccontextmanager
async def running_site(
    db_dsn: str, *, media: Media | None = None, **settings: Any
) -> AsyncIterator[Site]:
    """`media` is for who places calls."""
    ensure_web_assets(ROOT, print)
    where = media or no_media_server()
    changed = web_settings(db_dsn, where, anonymous_requests_per_minute=1_000, **settings)
    async with running_web(changed) as web, served(web.app) as base_url:
        yield Site(web, base_url)


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[Browser]:
    """Without a microphone: nobody calls here."""
    async with run_chromium(microphone=None) as running:
        yield running
