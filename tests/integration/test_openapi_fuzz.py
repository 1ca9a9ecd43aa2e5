"""
What the OpenAPI document says is so: whatever is sent, no answer is a 5xx or one it does not name.

The real web process on a real database, and the requests that schemathesis makes of the document:
right ones, wrong ones, through the door of people and the one of programs, and through the wrong
one. The same requests in every run.
"""

import copy
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import anyio.to_thread
import pytest
import pytest_asyncio
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case
from schemathesis.checks import CheckFunction
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from control_plane.app import build_app
from control_plane.v1_errors import is_for_programs
from shared.clock import SystemClock
from tests import builders
from tests.fakes.reading_voice import reading_voice
from tests.fakes.stripe_server import FakeStripe, running_stripe
from tests.integration.program import Program
from tests.integration.served_web import served_program
from tests.integration.till_rig import till_settings
from tests.web_process import Media, web_settings

EXAMPLES = 8  # of each operation, right ones and wrong ones
EXAMPLES_AT_THE_WRONG_DOOR = 2
SEED = 20_261_121
TIMEOUT_S = 20.0
FIRST_ERROR = 400
SPEAKING = {"POST /api/generate-voice", "POST /api/v1/speech", "POST /v1/audio/speech"}
V1_BODIES = {"/api/v1/speech", "/api/v1/jobs"}
WANTED = {"text", "voiceId", "voice", "input", "prompt"}
CHECKS: list[CheckFunction] = [
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
# What is not there in this test, and says so: a recogniser of speech, a model that writes.
NOT_OFFERED = {"POST /api/consents/{consent_id}/recording", "POST /api/generate-text"}


@dataclass(frozen=True, slots=True)
class Target:
    program: Program
    document: dict[str, Any]
    voice_id: str

    @property
    def base_url(self) -> str:
        return str(self.program.web.client.base_url).rstrip("/")


def till_environment(stripe: FakeStripe) -> dict[str, Any]:
    return {name.upper(): value for name, value in till_settings(stripe).items()}


@pytest_asyncio.fixture
async def target(db_dsn: str, media: Media) -> AsyncIterator[Target]:
    limits: dict[str, Any] = dict.fromkeys(
        (
            "CALL_TOKENS_PER_MINUTE",
            "GENERATIONS_PER_MINUTE",
            "CLONES_PER_MINUTE",
            "TEXTS_PER_MINUTE",
            "ANONYMOUS_REQUESTS_PER_MINUTE",
            "PAYMENTS_PER_MINUTE",
        ),
        "100000",
    )
    async with (
        reading_voice() as voice,
        running_stripe() as stripe,
        served_program(
            db_dsn, media, voice, balance=100_000, **limits, **till_environment(stripe)
        ) as program,
    ):
        found = await program.web.db.fetchval(
            "select id from voices where name = 'ara' and model = 'local'"
        )
        yield Target(program, program.web.app.openapi(), str(found))


@pytest.mark.timeout(300)
async def test_no_answer_is_a_failure_or_one_that_the_document_does_not_name(
    target: Target,
) -> None:
    outcome = await anyio.to_thread.run_sync(_fuzzed, target)
    failures = outcome.failures
    assert not failures, "\n\n".join(f"{name}\n{what}" for name, what in failures.items())
    assert outcome.answers.keys() == {name for name, _ in operations_of(target.document)}
    assert min(outcome.answers.values()) >= 2, "each through both doors"
    assert not [name for name in SPEAKING if not outcome.good[name]], "nobody was served"
    assert await builders.violations(target.program.web.db) == []


@dataclass(slots=True)
class Outcome:
    """How many answers each operation gave, and what was wrong with them."""

    answers: Counter[str] = field(default_factory=Counter)
    good: Counter[str] = field(default_factory=Counter)
    failures: dict[str, str] = field(default_factory=dict)


def _fuzzed(target: Target) -> Outcome:
    outcome = Outcome()
    schema = schemathesis.openapi.from_dict(_with_what_there_is(target))
    schema.config.update(base_url=target.base_url)
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), "the document is a valid one"
        operation = found.ok()
        for headers, examples in _doors(target, operation.path):
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                try:
                    _sender(operation, headers, mode, examples=examples, outcome=outcome)()
                except Unsatisfiable:  # nothing can be wrong with what takes nothing
                    assert mode is GenerationMode.NEGATIVE
                except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001 - reported together
                    what = f"{name_of(operation)} ({mode.value})"
                    found_wrong = getattr(error, "exceptions", (error,))
                    outcome.failures[what] = "\n".join(map(str, found_wrong))[:3_000]
    return outcome


def _with_what_there_is(target: Target) -> dict[str, Any]:
    """The document with our voice as the only one, or no right request would get far."""
    document = copy.deepcopy(target.document)
    there_is = {
        "voiceId": {"enum": [target.voice_id]},
        "voice": {"enum": ["ara"]},
        "model": {"enum": ["local"]},
    }
    for path, operations in document["paths"].items():
        body = operations.get("post", {}).get("requestBody", {}).get("content", {})
        schema = body.get("application/json", {}).get("schema", {})
        properties = schema.get("properties", {})
        properties.update({key: value for key, value in there_is.items() if key in properties})
        if path in V1_BODIES:  # by its name; `voiceId` goes alone
            properties.pop("voiceId")
        schema["required"] = sorted({*schema.get("required", ()), *WANTED & properties.keys()})
        for key in WANTED & properties.keys():
            properties[key] = _never_null(properties[key])
    return document


def _never_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Upstream's clients may leave it out or send null, and are refused then."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind.get("type") != "null"]
    return {"anyOf": kinds} if kinds else schema


def name_of(operation: APIOperation[Any, Any, Any, Any]) -> str:
    """As `operations_of` calls it."""
    return f"{operation.method.upper()} {operation.path}"


def _doors(target: Target, path: str) -> list[tuple[dict[str, str], int]]:
    """Headers of the right one and of the wrong one, and how many examples each is worth."""
    key, session = target.program.headers, target.program.owner.headers
    right, wrong = (key, session) if is_for_programs(path) else (session, key)
    return [(right, EXAMPLES), (wrong, EXAMPLES_AT_THE_WRONG_DOOR)]


def _sender(
    operation: APIOperation[Any, Any, Any, Any],
    headers: dict[str, str],
    mode: GenerationMode,
    *,
    examples: int,
    outcome: Outcome,
) -> Callable[[], None]:
    name = name_of(operation)

    @seed(SEED)
    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def send(case: Case[Any]) -> None:
        answer = case.call(headers=headers, timeout=TIMEOUT_S)
        outcome.answers[name] += 1
        outcome.good[name] += answer.status_code < FIRST_ERROR
        is_away = answer.status_code == 503 and name in NOT_OFFERED
        assert answer.status_code < 500 or is_away, f"{answer.status_code} {answer.text[:500]}"
        case.validate_response(answer, checks=CHECKS)

    return send


OPEN = {
    "GET /api/help",
    "GET /api/packages",
    "GET /api/plans",
    "GET /api/prices",
    "POST /api/prices/estimate",
    "GET /api/v1/openapi",
    "GET /.well-known/receipt-keys.json",
    "GET /api/audio/{key}",  # its address is the permission
}
WITHOUT_BODY = {
    "POST /api/phone-calls",  # refuses whatever comes
    "POST /api/audio-files/{file_id}/restore",
    "POST /api/portal",
    "POST /api/subscription/refresh",
    "POST /api/v1/jobs/{job_id}/cancel",
}


def operations_of(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """`GET /api/calls`, and what is said about it."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield f"{method.upper()} {path}", operation


def incomplete(name: str, operation: dict[str, Any]) -> Iterator[str]:
    """What the document does not say of an operation."""
    responses = operation["responses"]
    if not operation.get("description"):
        yield "what it is for"
    if name.startswith("POST") and name not in WITHOUT_BODY and "requestBody" not in operation:
        yield "its body"
    if name not in OPEN and "401" not in responses:
        yield "who may not"
    if "requestBody" in operation and not {"400", "413"} <= responses.keys():
        yield "a wrong or large body"
    for status, response in responses.items():
        content = response.get("content", {})
        if not content and status != "204":
            yield f"the body of {status}"
        if "application/json" in content and not content["application/json"].get("schema"):
            yield f"the schema of {status}"
    if "#/$defs/" in json.dumps(operation):
        yield "a definition it refers to"


def test_the_document_is_complete() -> None:
    """Every route of people and programs, its body, its answers, who is refused."""
    media = Media("ws://127.0.0.1:1", "key", "a secret of nobody, but long enough")
    app = build_app(web_settings("postgresql://nobody/nothing", media), clock=SystemClock())
    document = app.openapi()
    assert document["openapi"].startswith("3.1.")
    missing = {
        name: gaps
        for name, operation in operations_of(document)
        if (gaps := [*incomplete(name, operation)])
    }
    assert not missing
    speech = document["paths"]["/api/v1/speech"]["post"]["responses"]
    assert "422" in speech, "what providers refuse is no error of the framework"
