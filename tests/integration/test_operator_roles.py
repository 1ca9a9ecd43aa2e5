"""
Every route for staff, asked by everybody: who is let in, who is not.

A new route under /api/operator makes this fail until it has a line in `MINIMUM`.
"""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from shared.ids import new_uuid
from tests import builders
from tests.integration.key_desk import make_key
from tests.integration.operator_desk import WHY, Staff
from tests.integration.test_cross_account import routes_of
from tests.web_process import Media, Web, running_web, web_settings

ACCOUNT = "/api/operator/accounts/{user_id}"
MINIMUM = {
    "GET /api/operator/violations": "operator",
    "GET /api/daily-stats": "operator",
    "GET /api/operator/dead-letters": "support",
    "POST /api/operator/dead-letters/retry": "operator",
    "GET /api/operator/reports": "support",
    "POST /api/operator/reports/resolve": "support",
    "POST /api/operator/reports/reopen": "support",
    "POST /api/operator/accounts/find": "support",
    f"GET {ACCOUNT}": "support",
    f"GET {ACCOUNT}/ledger": "support",
    f"GET {ACCOUNT}/calls": "support",
    f"GET {ACCOUNT}/payments": "support",
    f"GET {ACCOUNT}/audit": "support",
    f"POST {ACCOUNT}/grant": "operator",
    f"POST {ACCOUNT}/adjust": "operator",
    f"POST {ACCOUNT}/freeze": "operator",
    f"POST {ACCOUNT}/unfreeze": "operator",
    f"POST {ACCOUNT}/age": "operator",
}
BODIES: dict[str, dict[str, Any]] = {
    "/find": {"email": "nobody@example.test"},
    "/grant": {"credits": 5, "reason": WHY},
    "/adjust": {"credits": -5, "reason": WHY},
    "/freeze": {"reason": WHY},
    "/unfreeze": {"reason": WHY},
    "/retry": {"reason": WHY},
    "/resolve": {"reason": WHY},
    "/reopen": {"reason": WHY},
    "/age": {"reason": WHY, "isAdult": False},
}


@pytest_asyncio.fixture
async def web(db_dsn: str, no_media: Media) -> AsyncIterator[Web]:
    async with running_web(web_settings(db_dsn, no_media)) as running:
        yield running


def body_of(route: str) -> dict[str, Any]:
    return next((body for end, body in BODIES.items() if route.endswith(end)), {})


async def ask(web: Web, route: str, user_id: object, headers: dict[str, str]) -> Any:
    method, _, pattern = route.partition(" ")
    sent = {**headers, "Idempotency-Key": str(new_uuid())}
    path = pattern.format(user_id=user_id)
    content = json.dumps(body_of(route)) if method == "POST" else ""
    return await web.client.request(method, path, headers=sent, content=content)


async def test_every_route_for_staff_is_in_the_table(web: Web) -> None:
    found = {
        route for route in routes_of(web) if "/api/operator" in route or "daily-stats" in route
    }
    assert found == MINIMUM.keys()


@pytest.mark.parametrize("route", MINIMUM)
async def test_only_staff_with_the_role_comes_in(web: Web, route: str) -> None:
    customer = await web.account(paid=True)
    key = await make_key(customer)
    before = await builders.fingerprint(web.db)
    refused: dict[int, list[dict[str, str]]] = {
        401: [{}, key.headers],
        403: [customer.headers, Staff(web, "user").headers, Staff(web, "admin").headers],
    }
    if MINIMUM[route] == "operator":
        refused[403].append(Staff(web, "support").headers)
    for status, everybody in refused.items():
        for headers in everybody:
            answer = await ask(web, route, customer.account.user_id, headers)
            assert answer.status_code == status, (headers, answer.text)
            assert customer.account.email not in answer.text
    assert await builders.fingerprint(web.db) == before

    for role in {"support", "operator"} if MINIMUM[route] == "support" else {"operator"}:
        answer = await ask(web, route, customer.account.user_id, Staff(web, role).headers)
        assert answer.status_code in {200, 409}, answer.text  # an account that is not frozen


async def test_what_support_may_ask_changes_nothing(web: Web) -> None:
    customer = await web.account(paid=True)
    before = await builders.fingerprint(web.db)
    for route, role in MINIMUM.items():
        if role == "support":
            await ask(web, route, customer.account.user_id, Staff(web, "support").headers)
    assert await builders.fingerprint(web.db) == before
