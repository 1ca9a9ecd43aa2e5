"""
What belongs to an account and has an id in a path: one line a route, for `test_cross_account.py`.

    "DELETE /api/things/{thing_id}": Owned(a_thing),

`a_thing` makes a thing of the account it is given, through the routes or functions that make real
ones, and returns the parameters of the path: `{"thing_id": "..."}`. Where the route reads a body,
give one that it would accept, so that a refusal is about the owner: `Owned(a_thing, body=b"{}")`.
A route whose ids are no account's goes into EVERYBODYS, with the reason.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from billing.money import from_credits
from billing.store import subscriptions, topups
from billing.stripe_objects import Invoice
from shared.clock import SystemClock
from shared.db import transaction
from shared.ids import new_uuid
from tests.integration import consenting
from tests.integration.key_desk import Key, make_key
from tests.integration.phone_rig import a_phone_number
from tests.integration.receipted_calls import billed_call
from tests.integration.recording_desk import a_recording
from tests.web_process import Caller

Params = dict[str, str]


@dataclass(frozen=True, slots=True)
class Owned:
    make: Callable[[Caller], Awaitable[Params]]
    body: bytes = b""
    content_type: str = "application/json"


async def a_call(owner: Caller) -> Params:
    answer = await owner.ask_for_call()
    assert answer.status_code == 200, answer.text
    return {"call_id": answer.json()["callId"]}


async def an_ended_call(owner: Caller) -> Params:
    pool = owner.web.app.state.services.pool
    return {"call_id": str(await billed_call(pool, owner.account))}


async def a_key(owner: Caller) -> Params:
    return {"key_id": (await make_key(owner)).id}


async def a_consent_begun(owner: Caller) -> Params:
    return {"consent_id": (await consenting.begin(owner))["id"]}


async def a_consent(owner: Caller) -> Params:
    return {"consent_id": str(await consenting.consent(owner))}


async def a_clone(owner: Caller) -> Params:
    """A voice of the account, with its first words in the history."""
    consent_id = await consenting.consent(owner)
    answer = await consenting.clone(owner, consentId=consent_id)
    assert answer.status_code == 200, answer.text
    voice_id = await owner.web.db.fetchval(
        "select id from voices where user_id = $1", owner.account.user_id
    )
    return {"voice_id": str(voice_id)}


async def some_audio(owner: Caller) -> Params:
    voice_id = await owner.web.db.fetchval(
        "select id from voices where model = 'local' and feature = 'tts' and name = 'rex'"
    )
    body = json.dumps({"text": "This is mine alone.", "voiceId": str(voice_id)})
    answer = await owner.post("/api/generate-voice", body)
    assert answer.status_code == 200, answer.text
    listed = (await owner.get("/api/audio-files")).json()["data"]
    return {"file_id": listed[0]["id"]}


async def a_topup(owner: Caller) -> Params:
    """Wanted, before Stripe was asked."""
    topup_id = new_uuid()
    await topups.insert(
        owner.web.db,
        topup_id=topup_id,
        user_id=owner.account.user_id,
        kind="checkout",
        package_id="starter",
        promotion_id=None,
        amount=500,
        currency="usd",
        credits_=from_credits(10_000),
        save_card=False,
        due_in_s=3_600,
    )
    return {"topup_id": str(topup_id)}


async def a_job(owner: Caller) -> Params:
    return {"job_id": await _job_of(owner, await make_key(owner))}


async def a_job_that_ended(owner: Caller) -> Params:
    """Its events end, too."""
    key = await make_key(owner)
    job_id = await _job_of(owner, key)
    path = f"/api/v1/jobs/{job_id}/cancel"
    answer = await owner.web.client.post(path, headers=key.headers)
    assert answer.status_code == 200, answer.text
    return {"job_id": job_id}


async def _job_of(owner: Caller, key: Key) -> str:
    wish = {"input": "Long and mine alone.", "model": "local", "voice": "rex"}
    answer = await owner.web.client.post(
        "/api/v1/jobs", content=json.dumps(wish), headers=key.headers
    )
    assert answer.status_code == 202, answer.text
    job_id: str = answer.json()["id"]
    return job_id


async def an_invoice(owner: Caller) -> Params:
    """As a webhook leaves it; there is no till here that could be asked again."""
    invoice = Invoice(
        id=f"in_{new_uuid().hex}",
        customer=None,
        subscription="sub_1",
        billing_reason="subscription_create",
        status="open",
        currency="usd",
        subtotal=500,
        total=500,
        amount_paid=0,
        charges=(),
        lines=(),
        created_at=SystemClock().now(),
    )
    async with transaction(owner.web.app.state.services.pool) as tx:
        await subscriptions.lock_invoice(tx, invoice, owner=owner.account.user_id)
    return {"invoice_id": invoice.id}


async def a_character(owner: Caller) -> Params:
    config = {"maxOutputTokens": None, "model": "x", "temperature": 0.8, "voice": "Ara"}
    body = {"name": "Mine", "prompt": "Secret.", "voiceName": "Ara", "sessionConfig": config}
    answer = await owner.post("/api/characters", json.dumps(body))
    assert answer.status_code == 201, answer.text
    return {"character_id": answer.json()["id"]}


OWNED: dict[str, Owned] = {
    "GET /api/characters/{character_id}": Owned(a_character),
    "GET /api/calls/{call_id}": Owned(a_call),
    "GET /api/calls/{call_id}/receipt": Owned(an_ended_call),
    "GET /api/calls/{call_id}/recording": Owned(a_recording),
    "DELETE /api/calls/{call_id}/recording": Owned(a_recording),
    "DELETE /api/api-keys/{key_id}": Owned(a_key),
    "POST /api/consents/{consent_id}/recording": Owned(a_consent_begun, b"no audio", "audio/wav"),
    "DELETE /api/consents/{consent_id}": Owned(a_consent),
    "DELETE /api/voices/{voice_id}": Owned(a_clone),
    "GET /api/audio-files/{file_id}": Owned(some_audio),
    "DELETE /api/audio-files/{file_id}": Owned(some_audio),
    "POST /api/audio-files/{file_id}/restore": Owned(some_audio),
    "GET /api/checkout/{topup_id}": Owned(a_topup),
    "GET /api/v1/jobs/{job_id}": Owned(a_job),
    "POST /api/v1/jobs/{job_id}/cancel": Owned(a_job),
    "GET /api/v1/jobs/{job_id}/events": Owned(a_job_that_ended),
    "GET /api/invoices/{invoice_id}": Owned(an_invoice),
    "DELETE /api/phone-numbers/{number_id}": Owned(a_phone_number),
}

_STAFF = "any account's, for staff alone: test_operator_roles.py asks as everybody else"

EVERYBODYS: dict[str, str] = {
    **{
        f"GET /api/operator/accounts/{{user_id}}{part}": _STAFF
        for part in ("", "/ledger", "/calls", "/payments", "/audit")
    },
    **{
        f"POST /api/operator/accounts/{{user_id}}/{verb}": _STAFF
        for verb in ("grant", "adjust", "freeze", "unfreeze", "age")
    },
    "GET /api/audio/{key}": "the signature in the link is the right to hear it, whoever has it",
    "GET /v1/models/{model}": "the models are the same for everybody",
}
