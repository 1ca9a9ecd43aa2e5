"""
No account reaches another's rows, on any route: the routes are taken from the OpenAPI document.

A new route with an id in its path makes this fail until it has a line in `owned_resources.py`.
"""

import hashlib
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx2
import pytest
import pytest_asyncio

from billing.receipt_keys import new_entry
from control_plane.v1_errors import is_for_programs
from shared.ids import new_uuid
from tests.integration.consenting import cloning_settings, voice_url
from tests.integration.key_desk import Key, make_key
from tests.integration.owned_resources import EVERYBODYS, OWNED, Owned, Params
from tests.web_process import Caller, Media, Web, running_web, web_settings

__all__ = ["voice_url"]  # a fixture

METHODS = ("get", "post", "put", "patch", "delete")
REFUSED = {401, 403, 404}
TABLES = """
select table_name from information_schema.tables
where table_schema = 'public' and table_type = 'BASE TABLE' order by 1
"""
# Rows that speak of somebody. When a key was last used is written some seconds later.
ROWS = """
select coalesce(string_agg(line, '' order by line), '') from (
  select (to_jsonb(t) - 'last_used_at')::text as line from {table} t) lines
where line like any($1::text[])
"""


@dataclass(frozen=True, slots=True)
class Stranger:
    """Somebody else, with a session and a key that may do everything."""

    caller: Caller
    key: Key

    def headers_for(self, path: str) -> dict[str, str]:
        """What opens this kind of door."""
        return self.key.headers if is_for_programs(path) else self.caller.headers

    def wrong_headers_for(self, path: str) -> dict[str, str]:
        return self.caller.headers if is_for_programs(path) else self.key.headers


@pytest_asyncio.fixture
async def web(db_dsn: str, media: Media, voice_url: str) -> AsyncIterator[Web]:
    changes = cloning_settings(voice_url, receipt_signing_keys=new_entry())
    settings = web_settings(db_dsn, media, **changes)
    async with running_web(settings) as running:
        yield running


@pytest_asyncio.fixture
async def owner(web: Web) -> Caller:
    return await web.account(paid=True, balance=500_000)


@pytest_asyncio.fixture
async def stranger(web: Web) -> Stranger:
    caller = await web.account(paid=True, balance=500_000)
    return Stranger(caller, await make_key(caller))


def routes_of(web: Web) -> Iterator[str]:
    """`GET /api/calls/{call_id}` and so on."""
    for path, operations in web.app.openapi()["paths"].items():
        for method in METHODS:
            if method in operations:
                yield f"{method.upper()} {path}"


async def test_every_route_with_an_id_in_its_path_is_in_the_table(web: Web) -> None:
    with_ids = {route for route in routes_of(web) if "{" in route}
    known = OWNED.keys() | EVERYBODYS.keys()
    missing, gone = sorted(with_ids - known), sorted(known - with_ids)
    advice = "\n".join(f'    "{route}": Owned(a_...),' for route in missing)
    assert not missing, (
        "These routes take an id, and nobody proves that another account's id is refused.\n"
        f"Add to OWNED in tests/integration/owned_resources.py (its docstring says how):\n{advice}"
    )
    assert not gone, f"No such route any more, take it out of owned_resources.py: {gone}"


@pytest.mark.parametrize("route", OWNED)
async def test_what_is_anothers_is_not_there(
    web: Web, owner: Caller, stranger: Stranger, route: str
) -> None:
    if route not in set(routes_of(web)):
        pytest.skip("reported by the test of the table")
    owned = OWNED[route]
    params = await owned.make(owner)
    before = await rows_about(web, owner, params)
    pattern = route.partition(" ")[2]

    async def ask(headers: dict[str, str], path_params: Params) -> httpx2.Response:
        return await request(web, route, owned, params=path_params, headers=headers)

    right = await ask(stranger.headers_for(pattern), params)
    wrong = await ask(stranger.wrong_headers_for(pattern), params)
    nobody = await ask({}, params)
    unknown = await ask(stranger.headers_for(pattern), unknown_of(params))

    assert right.status_code in {403, 404}, right.text
    assert (right.status_code, right.json()) == (unknown.status_code, unknown.json()), (
        "the answer tells that the id exists"
    )
    assert wrong.status_code in REFUSED
    assert nobody.status_code == 401
    assert await rows_about(web, owner, params) == before

    own = owner.headers
    if is_for_programs(pattern):
        own = (await make_key(owner)).headers
    mine = await ask(own, params)
    assert mine.status_code not in {*REFUSED, 405, 500}, f"the owner is refused too: {mine.text}"


async def test_no_list_shows_what_is_anothers(web: Web, owner: Caller, stranger: Stranger) -> None:
    """All routes that are read without an id, by both kinds of credentials."""
    secrets = {value for params in await make_one_of_each(owner) for value in params.values()}
    secrets |= {str(owner.account.user_id), owner.account.email}
    reads = [route[4:] for route in routes_of(web) if route[:4] == "GET " and "{" not in route]
    seen_by_owner: set[str] = set()
    for path in reads:
        for headers in (stranger.caller.headers, stranger.key.headers, {}):
            answer = await web.client.get(path, headers=headers)
            assert not [one for one in secrets if one in answer.text], path
        own = await web.client.get(path, headers=owner.headers)
        seen_by_owner |= {one for one in secrets if one in own.text}
    assert seen_by_owner, "the owner sees nothing either: this proves nothing"


async def make_one_of_each(owner: Caller) -> list[Params]:
    makers = {owned.make for owned in OWNED.values()}
    return [await make(owner) for make in sorted(makers, key=lambda make: make.__name__)]


async def request(
    web: Web, route: str, owned: Owned, *, params: Params, headers: dict[str, str]
) -> httpx2.Response:
    method, _, pattern = route.partition(" ")
    path = pattern.format(**params)
    sent = {**headers, "content-type": owned.content_type} if owned.body else headers
    return await web.client.request(method, path, content=owned.body, headers=sent)


def unknown_of(params: Params) -> Params:
    """The same with ids that nobody has."""
    return {name: str(new_uuid()) if _is_uuid(value) else value for name, value in params.items()}


def _is_uuid(value: str) -> bool:
    return re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", value) is not None


async def rows_about(web: Web, owner: Caller, params: Params) -> dict[str, str]:
    """One hash a table over all rows in which the account or an id of the path occurs."""
    words: list[Any] = [owner.account.user_id, *params.values()]
    hashes = {}
    for row in await web.db.fetch(TABLES):
        table = row["table_name"]
        text = await web.db.fetchval(
            ROWS.format(table=f'"{table}"'), [f"%{word}%" for word in words]
        )
        hashes[table] = hashlib.sha256(text.encode()).hexdigest()
    return hashes


def test_an_unknown_id_is_another_one() -> None:
    known = {"a": str(UUID(int=7)), "b": "part-2"}
    made = unknown_of(known)
    assert (made["a"] != known["a"], made["b"]) == (True, "part-2")
