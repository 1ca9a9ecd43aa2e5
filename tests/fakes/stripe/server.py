"""The HTTP side of the fake."""

import asyncio
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from tests.fakes.stripe import refusals
from tests.fakes.stripe.account import API_VERSION, Doc, StripeAccount
from tests.fakes.stripe.form import read_form
from tests.fakes.stripe.idempotency import Answer, IdempotencyKeys
from tests.fakes.stripe.refusals import StripeRefusal
from tests.fakes.stripe.routes import answer
from tests.fakes.stripe.trouble import ApiTrouble, Trouble

BODY_BYTES_MAX = 2**20


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as it arrived."""

    method: str
    path: str
    params: Doc
    key: str | None  # its idempotency key
    version: str | None


@dataclass
class ApiServer:
    """Stripe's API over one account; `api_key` is the only key it knows."""

    account: StripeAccount
    api_key: str = "sk_test_of_the_fake"
    trouble: ApiTrouble = field(default_factory=ApiTrouble)
    keys: IdempotencyKeys = field(default_factory=IdempotencyKeys)
    seen: list[Seen] = field(default_factory=list)
    latency_s: float = 0  # between the effect and the answer
    _busy: set[str] = field(default_factory=set)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.text()
        query = [(name, value) for name, value in request.query.items()]
        form = [*query, *parse_qsl(body, keep_blank_values=True)]
        headers = request.headers
        key = headers.get("Idempotency-Key")
        try:
            asked = Seen(
                request.method,
                request.path,
                read_form(form),
                key,
                headers.get("Stripe-Version"),
            )
            self.seen.append(asked)
            if headers.get("Authorization") != f"Bearer {self.api_key}":
                raise refusals.wrong_key()
            return await self._with_trouble(request, asked)
        except StripeRefusal as refused:
            return _response(Answer(refused.status, refused.body))

    async def _with_trouble(self, request: web.Request, asked: Seen) -> web.StreamResponse:
        trouble = self.trouble.strike(asked.method, asked.path)
        if trouble is Trouble.RATE_LIMITS:
            raise refusals.too_many()
        if trouble is Trouble.FAILS:
            raise refusals.broken(kept=False)
        if trouble is None or trouble.is_done:
            fails = trouble is Trouble.FAILS_DONE
            replayed, given = await self._once(asked, fails=fails)
        if trouble in {Trouble.STALLS, Trouble.STALLS_DONE}:
            await asyncio.sleep(self.trouble.stall_s)
        if trouble in {Trouble.STALLS, Trouble.STALLS_DONE, Trouble.CUTS, Trouble.CUTS_DONE}:
            if request.transport:
                request.transport.abort()
            return web.Response(status=500)
        return _response(given, replayed=replayed)

    async def _once(self, asked: Seen, *, fails: bool) -> tuple[bool, Answer]:
        """Whether it is the answer of before, and the answer."""
        key = asked.key if asked.method == "POST" else None
        if key is None:
            return False, self._answer(asked, fails=fails)
        if key in self._busy:
            raise refusals.key_in_use(key)
        now_s = self.account.now_s
        known = self.keys.replay(key, asked.path, asked.params, now_s)
        if known:
            return True, known
        given = self._answer(asked, fails=fails)
        self.keys.keep(key, asked.path, asked.params, now_s, given)
        self._busy.add(key)
        try:
            await asyncio.sleep(self.latency_s)
        finally:
            self._busy.remove(key)
        return False, given

    def _answer(self, asked: Seen, *, fails: bool) -> Answer:
        """Raises what is not to be replayed; the effect is whole before anybody else is served."""
        self.account.request = {"id": _request_id(self), "idempotency_key": asked.key}
        try:
            given = Answer(200, answer(self.account, asked.method, asked.path, asked.params))
        except StripeRefusal as refused:
            if not refused.kept:
                raise
            given = Answer(refused.status, refused.body)
        finally:
            self.account.request = {"id": None, "idempotency_key": None}
        if fails:
            broken = refusals.broken(kept=True)
            return Answer(broken.status, broken.body)
        return given


def _request_id(server: ApiServer) -> str:
    return f"req_{len(server.seen):014d}"


def _response(given: Answer, *, replayed: bool = False) -> web.Response:
    headers = {"Request-Id": "req_of_the_fake", "Stripe-Version": API_VERSION}
    if replayed:
        headers["Idempotent-Replayed"] = "true"
    return web.json_response(given.body, status=given.status, headers=headers)


def routes(server: ApiServer) -> list[web.RouteDef]:
    handler: Any = server.handle
    return [web.route("*", "/v1/{rest:.*}", handler)]
