"""Speech through the programs' doors is paid from the key's limit too."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.integration.consenting import cloning_settings, voice_url
from tests.integration.key_desk import Key, make_key
from tests.web_process import Media, Web, running_web, web_settings

__all__ = ["voice_url"]  # a fixture


@pytest_asyncio.fixture
async def web(db_dsn: str, no_media: Media, voice_url: str) -> AsyncIterator[Web]:
    async with running_web(
        web_settings(db_dsn, no_media, **cloning_settings(voice_url))
    ) as running:
        yield running


async def test_a_key_at_its_limit_speaks_no_more_and_its_account_does(web: Web) -> None:
    owner = await web.account(paid=True)
    poor, rich = await make_key(owner, credit_limit=30), await make_key(owner)

    async def speak(key: Key, text: str) -> tuple[int, str | None]:
        answer = await web.client.post(
            "/api/v1/speech",
            json={"input": text, "model": "local", "voice": "rex"},
            headers=key.headers,
        )
        error = answer.json().get("error")
        return answer.status_code, error and error["code"]

    assert await speak(poor, "Twenty characters ok") == (200, None)
    used = "select credit_used from api_keys where id = $1"
    assert await web.db.fetchval(used, poor.id) == 20_000_000
    before = await web.db.fetchval("select balance - reserved from credits")

    assert await speak(poor, "Another twenty here.") == (402, "api_key_quota_exceeded")

    assert await web.db.fetchval("select balance - reserved from credits") == before
    assert await speak(rich, "Another twenty here.") == (200, None)
    assert await web.db.fetchval("select count(*) from invariant_violations") == 0
