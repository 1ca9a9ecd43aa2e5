"""Mail goes to an address that the issuer has verified, and to no other."""

from typing import Any

import pytest

from tests.web_process import Media, Web, running_web, session_token, web_settings


async def address_after(web: Web, **claims: Any) -> str | None:
    headers = {"Authorization": f"Bearer {session_token(sub='somebody', **claims)}"}
    assert (await web.client.get("/api/credits", headers=headers)).status_code == 200
    found: str | None = await web.db.fetchval("select mail_address from profiles")
    return found


@pytest.mark.parametrize(
    ("claims", "address"),
    [
        ({}, None),
        ({"email": "a@b.test"}, None),
        ({"email": "a@b.test", "email_verified": False}, None),
        ({"email": "a@b.test", "email_verified": "true"}, None),
        ({"email": "a@b.test", "user_metadata": {"email_verified": True}}, None),
        ({"email": "a@b.test, c@d.test", "email_verified": True}, None),
        ({"email": "a@b.test", "email_verified": True}, "a@b.test"),
    ],
    ids=str,
)
async def test_only_a_verified_address_is_kept(
    db_dsn: str, no_media: Media, claims: dict[str, Any], address: str | None
) -> None:
    async with running_web(web_settings(db_dsn, no_media)) as web:
        assert await address_after(web, **claims) == address


async def test_it_follows_the_issuer_and_is_not_lost(db_dsn: str, no_media: Media) -> None:
    steps: list[tuple[dict[str, Any], str]] = [
        ({"email": "old@b.test", "email_verified": True}, "old@b.test"),
        ({"email": "new@b.test", "email_verified": False}, "old@b.test"),
        ({"email": "new@b.test", "email_verified": True}, "new@b.test"),
        ({}, "new@b.test"),
    ]
    for claims, address in steps:  # a process each: an account is remembered for a minute
        async with running_web(web_settings(db_dsn, no_media)) as web:
            assert await address_after(web, **claims) == address


async def test_the_claim_may_have_another_name(db_dsn: str, no_media: Media) -> None:
    settings = web_settings(db_dsn, no_media, session_email_verified_claim="app_metadata.verified")
    async with running_web(settings) as web:
        claims = {"email": "a@b.test", "app_metadata": {"verified": True}}
        assert await address_after(web, **claims) == "a@b.test"
