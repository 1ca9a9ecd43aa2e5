"""Staff is who the issuer says it is, in the claim that the settings name."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.integration.key_desk import make_key
from tests.web_process import Media, Web, running_web, session_token, web_settings

BOOKS = "/api/operator/violations"


@pytest_asyncio.fixture
async def web(db_dsn: str, no_media: Media) -> AsyncIterator[Web]:
    async with running_web(web_settings(db_dsn, no_media)) as running:
        yield running


async def status_for(web: Web, **claims: Any) -> int:
    headers = {"Authorization": f"Bearer {session_token(**claims)}"}
    return (await web.client.get(BOOKS, headers=headers)).status_code


def staff(role: Any) -> dict[str, Any]:
    return {"app_metadata": {"provider": "email", "role": role}}


NOBODY: list[dict[str, Any]] = [
    {},
    {"role": "operator"},
    {"user_metadata": {"role": "operator"}},  # people may write this one themselves
    {"app_metadata": "operator"},
    {"app_metadata": ["operator"]},
    {"app_metadata": {"roles": ["operator"]}},
    {"app_metadata": {"role": {"operator": True}}},
    staff("user"),
    staff("support"),
    staff("Operator"),
    staff("operator "),
    staff("operators"),
    staff(["support", "admin", 7, None, {}]),
    staff(None),
    staff(1),
    staff(""),
]


@pytest.mark.parametrize("claims", NOBODY, ids=str)
async def test_nobody_else_is_an_operator(web: Web, claims: dict[str, Any]) -> None:
    assert await status_for(web, **claims) == 403


@pytest.mark.parametrize("role", ["operator", ["operator"], ["support", "operator"]], ids=str)
async def test_an_operator_may(web: Web, role: Any) -> None:
    assert await status_for(web, **staff(role)) == 200


async def test_a_key_of_an_operators_account_has_no_role(web: Web) -> None:
    key = await make_key(await web.account(paid=True))
    assert (await web.client.get(BOOKS, headers=key.headers)).status_code == 401
    assert (await web.client.get(BOOKS)).status_code == 401


@pytest.mark.parametrize(
    ("name", "claims"),
    [
        ("role", {"role": "operator"}),
        ("https://example.test/roles", {"https://example.test/roles": ["operator"]}),
        ("resource_access.web.roles", {"resource_access": {"web": {"roles": ["operator"]}}}),
    ],
)
async def test_the_claim_may_have_another_name(
    db_dsn: str, no_media: Media, name: str, claims: dict[str, Any]
) -> None:
    async with running_web(web_settings(db_dsn, no_media, session_role_claim=name)) as web:
        assert await status_for(web, **claims) == 200
        assert await status_for(web, **staff("operator")) == 403


async def test_an_operator_sees_what_is_wrong_with_the_books(web: Web) -> None:
    customer = await web.account()
    headers = {"Authorization": f"Bearer {session_token(**staff('operator'))}"}
    right = await web.client.get(BOOKS, headers=headers)
    assert right.json() == {"checks": [], "violations": []}

    await web.db.execute(
        "update credits set balance = balance + 1 where user_id = $1", customer.account.user_id
    )
    await web.db.execute("insert into book_checks(scope, violations) values ('recent', 1)")

    wrong = (await web.client.get(BOOKS, headers=headers)).json()
    assert wrong["violations"] == [
        {"invariant": "I22 lots sum to the balance", "key": str(customer.account.user_id)},
        {"invariant": "I4 balance = ledger + debt", "key": str(customer.account.user_id)},
    ]
    [check] = wrong["checks"]
    assert (check["scope"], check["violations"]) == ("recent", 1)
