"""What a program may ask for: voices, models, the balance, and the document of it all."""

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from billing import limits
from billing.money import from_credits
from shared.db import transaction
from tests.fakes.reading_voice import reading_voice
from tests.integration.program import Program, program_at, program_of
from tests.web_process import Media


@pytest_asyncio.fixture
async def program(db_dsn: str, no_media: Media) -> AsyncIterator[Program]:
    async with (
        reading_voice() as voice,
        program_at(
            db_dsn,
            no_media,
            voice,
            gemini_api_key="a key",
            replicate_api_token="a token",
            xai_api_key="a key",
        ) as asking,
    ):
        yield asking


async def test_models_have_upstream_s_order_and_limits(program: Program) -> None:
    models = (await program.get("/api/v1/models")).json()["data"]

    assert [(m["id"], m["max_input_length"], m["supported_formats"]) for m in models] == [
        ("gpro", 1000, ["wav"]),
        ("gpro31", 1000, ["wav"]),
        ("orpheus", 500, ["mp3"]),
        ("xai", 1000, ["mp3", "wav"]),
        ("local", 1000, ["wav", "mp3"]),
    ]


async def test_voices_are_everybody_s_and_one_s_own(program: Program) -> None:
    db, owner = program.web.db, program.owner.account.user_id
    await db.execute(
        "insert into voices(id, user_id, name, model, feature) values "
        "('00000000-0000-4000-a000-00000000aaaa', $1, 'mine', 'local', 'tts')",
        owner,
    )
    await db.execute(
        "insert into voices(id, user_id, name, model, feature, is_public) values "
        "('00000000-0000-4000-a000-00000000bbbb', null, 'odd', 'no model of ours', 'tts', true)"
    )
    stranger = await program_of(program.web)

    mine = (await program.get("/api/v1/voices")).json()["data"]
    theirs = (await stranger.get("/api/v1/voices")).json()["data"]

    assert mine[-1]["name"] == "mine"
    assert [v for v in mine if v["name"] != "mine"] == theirs
    assert not {"mine", "odd", "Ara"} & {voice["name"] for voice in theirs}
    assert theirs[0].keys() == {"id", "name", "language", "model", "formats", "supports_style"}
    kore = next(voice for voice in theirs if voice["name"] == "kore")
    assert (kore["formats"], kore["supports_style"]) == (["wav"], True)


async def test_voices_without_a_provider_are_not_shown(program: Program) -> None:
    models = {voice["model"] for voice in (await program.get("/api/v1/voices")).json()["data"]}
    assert models == {"gpro", "gpro31", "orpheus", "xai", "local"}  # not openai: it has no key


async def test_credits_left_are_no_more_than_the_spending_cap_leaves(program: Program) -> None:
    user_id = program.owner.account.user_id
    async with transaction(program.web.app.state.services.pool) as tx:
        await limits.set_spending_cap(tx, user_id=user_id, cap=from_credits(700))
    assert (await program.get("/api/v1/billing")).json()["creditsLeft"] == 700

    wish = {"input": "x" * 100, "voice": "ara", "model": "local"}
    spoken = (await program.post("/api/v1/speech", wish)).json()

    remaining = spoken["credits_remaining"]
    assert remaining == 700 - spoken["credits_used"] == 600
    assert (await program.get("/api/v1/billing")).json()["creditsLeft"] == remaining


async def test_billing_tells_what_may_be_spent_and_the_last_payment(program: Program) -> None:
    await program.post("/api/v1/jobs", {"input": "x" * 100, "voice": "ara", "model": "local"})

    billing = (await program.get("/api/v1/billing")).json()

    assert billing.keys() == {"creditsLeft", "lastUpdated", "userId", "lastBillingTransaction"}
    assert billing["creditsLeft"] == 9_900  # a job holds a hundred
    assert billing["userId"] == str(program.owner.account.user_id)
    payment = billing["lastBillingTransaction"]
    assert (payment["type"], payment["amount"]) == ("topup", 10_000)
    assert payment.keys() == {
        "id", "type", "amount", "description", "created_at", "reference_id", "subscription_id",
        "metadata",
    }  # fmt: skip


async def test_each_route_asks_for_its_scope(program: Program) -> None:
    speaker = await program_of(program.web, scopes=["speech:generate"])

    statuses = {
        path: (await speaker.get(path)).status_code
        for path in ("/api/v1/voices", "/api/v1/billing", "/api/v1/models", "/api/v1/jobs")
    }

    assert statuses == {
        "/api/v1/voices": 403,
        "/api/v1/billing": 403,
        "/api/v1/models": 200,
        "/api/v1/jobs": 403,
    }


async def test_the_document_is_open_and_whole(program: Program) -> None:
    answer = await program.web.client.get("/api/v1/openapi")

    document = answer.json()
    assert (answer.status_code, document["openapi"]) == (200, "3.1.0")
    assert set(document["paths"]) == {
        "/api/v1/speech",
        "/api/v1/voices",
        "/api/v1/models",
        "/api/v1/billing",
        "/api/v1/openapi",
        "/api/v1/jobs",
        "/api/v1/jobs/{job_id}",
        "/api/v1/jobs/{job_id}/cancel",
        "/api/v1/jobs/{job_id}/events",
        "/v1/audio/speech",
        "/v1/models",
        "/v1/models/{model}",
    }
    references = set(_values(document, "$ref"))
    assert references
    for reference in references:
        node: Any = document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]


async def test_the_document_says_that_a_key_is_needed(program: Program) -> None:
    document = (await program.web.client.get("/api/v1/openapi")).json()

    secured = {
        f"{method} {path}": "security" in operation
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    assert [name for name, has_key in secured.items() if not has_key] == ["get /api/v1/openapi"]
    schema = document["paths"]["/api/v1/speech"]["post"]["requestBody"]["content"]
    voice = schema["application/json"]["schema"]["properties"]["voice"]
    assert "ara" in voice["examples"]
    assert schema["application/json"]["schema"]["additionalProperties"] is False


def _values(node: Any, name: str) -> list[str]:
    if isinstance(node, dict):
        own = [node[name]] if isinstance(node.get(name), str) else []
        return own + [value for inner in node.values() for value in _values(inner, name)]
    if isinstance(node, list):
        return [value for inner in node for value in _values(inner, name)]
    return []
