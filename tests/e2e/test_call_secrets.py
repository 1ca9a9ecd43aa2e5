"""
What people write and say stays where it belongs: a real call full of marked words, then a search
through every log, the metrics, all refusals and the token.
"""

import json
from collections.abc import Iterator
from typing import Any

import jwt
import pytest

from local.api_client import ApiRefused
from local.caller import SimulatedCaller
from local.stack import Stack
from tests.e2e.customer import public_text, settled
from tests.e2e.handset import joined
from tests.e2e.paying import paid
from tests.e2e.test_call_characters import METHOD, ask_for

pytestmark = pytest.mark.asyncio(loop_scope="module")

SPOKEN = "my sister lives in london"
MARK = "quaggasaurus"
SCENE = f"scene-{MARK}: it rains"
PROMPT = f"prompt-{MARK}. You are Nora, who keeps bees."
DESCRIPTION = f"description-{MARK}"
CHANGED = f"changed-{MARK}. You are Nora, who keeps bees."
REPORTED = f"reported-{MARK}"
SECRETS = (MARK, "sister lives", "fine city")
PROCESSES = ("postgres", "redis", "livekit", "voice", "web", "jobs", "agent")


def character(**changes: Any) -> dict[str, Any]:
    config = {"maxOutputTokens": None, "model": "x", "temperature": 0.8, "voice": "Ara"}
    return {
        "name": "Nora",
        "prompt": PROMPT,
        "voiceName": "Ara",
        "localizedDescriptions": {"en": DESCRIPTION},
        "sessionConfig": config,
        **changes,
    }


async def refusals(caller: SimulatedCaller) -> list[str]:
    """What is said of requests that are wrong in one place and full of words in others."""
    long = f"{MARK} " * 3_000
    wrong: tuple[tuple[str, dict[str, Any]], ...] = (
        ("/api/characters", character(prompt=long)),
        ("/api/characters", character(voiceName=MARK)),
        ("/api/characters", character(localizedPrompts={f"not {MARK}": PROMPT})),
        ("/api/characters", character(id=MARK)),
        ("/api/call-token", {"instructions": PROMPT, "sceneInstructions": long}),
        ("/api/call-token", {"instructions": PROMPT, "selectedSceneId": MARK}),
        ("/api/reports", {"category": MARK, "words": REPORTED}),
        ("/api/age", {"isAdult": MARK}),
    )
    said = []
    for path, body in wrong:
        with pytest.raises(ApiRefused) as refused:
            await caller.api.request("POST", path, body)
        said.append(f"{path}: {refused.value}")
    return said


def logs(stack: Stack) -> Iterator[tuple[str, str]]:
    for name in PROCESSES:
        yield name, stack.log_of(name).read_text(errors="replace")


async def test_no_words_of_anybody_get_into_logs_metrics_refusals_or_tokens(
    rough_stack: Stack,
) -> None:
    caller = await paid(rough_stack, 60_000)
    found = {"refusals": "\n".join(await refusals(caller))}
    made = await caller.api.request("POST", "/api/characters", character())
    token, answer = await ask_for(
        caller, selectedPresetId=made["id"], sceneInstructions=SCENE, instructions=PROMPT
    )
    async with joined(token.url, token.access_token) as handset:
        await handset.open_microphone()
        await handset.heard_agent()
        await handset.hear("London is a fine city", to=SPOKEN)
        change = json.dumps({"instructions": CHANGED, "temperature": 0.8})
        assert await handset.ask_agent(METHOD, change) == {"changed": True}
    await settled(caller, token)
    report = {"callId": token.call_id, "category": "wrong", "words": REPORTED}
    await caller.api.request("POST", "/api/reports", report)

    kept = await caller.api.request("GET", f"/api/calls/{token.call_id}")
    assert "sister" in json.dumps(kept["transcript"]), "nothing was understood, nothing is shown"
    found["answer"] = json.dumps(answer)
    found["claims"] = str(jwt.decode(token.access_token, options={"verify_signature": False}))
    found["metrics"] = await public_text(rough_stack, "/metrics")
    found |= dict(logs(rough_stack))
    await caller.close()
    assert "call_id" in found["agent"], "the log that was searched is none"
    for place, text in found.items():
        for secret in SECRETS:
            assert secret not in text.lower(), f"{secret!r} in {place}"
