"""When something is away: what the web process says, to operators and to callers."""

import asyncio
import time

from tests import builders
from tests.cable import Cable
from tests.web_process import Media, Web, running_web, unused_port, web_settings


async def test_everything_is_well(db_dsn: str, media: Media, redis_url: str) -> None:
    async with running_web(web_settings(db_dsn, media, redis_url=redis_url)) as web:
        await (await web.account()).ask_for_call()
        answer = await web.client.get("/readyz")
        assert (answer.status_code, answer.json()) == (
            200,
            {
                "status": "ok",
                "dependencies": {
                    "postgres": {"status": "ok"},
                    "redis": {"status": "ok"},
                    "livekit": {"status": "ok"},
                    "agents": {"status": "ok", "slots": 100, "workers": 1, "openCalls": 1},
                },
            },
        )


async def test_without_redis_and_livekit_it_is_ready_but_says_so(
    db_dsn: str, no_media: Media
) -> None:
    settings = web_settings(db_dsn, no_media, redis_url=f"redis://127.0.0.1:{unused_port()}")
    async with running_web(settings) as web:
        answer = await web.client.get("/readyz")
        assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
        states = {name: s["status"] for name, s in answer.json()["dependencies"].items()}
        assert states == {"postgres": "ok", "redis": "down", "livekit": "down", "agents": "ok"}


async def test_agents_are_full_or_away(web: Web) -> None:
    await builders.worker(web.db, slots=1)
    await (await web.account()).ask_for_call()
    full = (await web.client.get("/readyz")).json()
    assert full["dependencies"]["agents"]["status"] == "full"
    await web.db.execute("update workers set seen_at = now() - interval '1 minute'")
    away = await web.client.get("/readyz")
    assert away.status_code == 200
    assert away.json()["status"] == "degraded"
    assert away.json()["dependencies"]["agents"] == {
        "status": "down",
        "slots": 0,
        "workers": 0,
        "openCalls": 1,
    }


async def test_a_wrong_key_of_the_media_server_is_noticed(db_dsn: str, media: Media) -> None:
    wrong = Media(media.url, media.key, "a wrong secret, but a long one as it should be")
    async with running_web(web_settings(db_dsn, wrong)) as web:
        answer = (await web.client.get("/readyz")).json()
        assert answer["dependencies"]["livekit"]["status"] == "down"


async def test_without_the_database_everything_is_503_and_comes_back(
    wired: Web, database_cable: Cable
) -> None:
    caller = await wired.account()
    assert (await caller.get("/api/credits")).status_code == 200
    await database_cable.cut()

    answers = {
        "credits": await caller.get("/api/credits"),
        "calls": await caller.get("/api/calls"),
        "call-token": await caller.ask_for_call(),
        "settle": await wired.internal("/calls/settle", {"worker_id": "w1", "calls": []}),
        "workers": await wired.internal("/workers", {"worker_id": "w1", "slots": 1}),
    }
    ready = await wired.client.get("/readyz")
    others = [await wired.client.get(path) for path in ("/healthz", "/metrics")]

    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(
        answers, 503
    )
    assert answers["credits"].json() == {
        "error": "Temporarily unavailable",
        "message": "Temporarily unavailable (503)",
        "status": 503,
        "serverMessage": "Temporarily unavailable",
        "retryAfter": 2,
        "code": "unavailable",
    }
    assert answers["credits"].headers["Retry-After"] == "2"
    assert (ready.status_code, ready.json()["dependencies"]["postgres"]) == (
        503,
        {"status": "down"},
    )
    assert [answer.status_code for answer in others] == [200, 200]

    await database_cable.plug_in()
    assert (await caller.get("/api/credits")).status_code == 200
    assert (await wired.client.get("/readyz")).status_code == 200


async def test_readiness_is_answered_in_time_when_the_database_hangs(
    wired: Web, database_cable: Cable
) -> None:
    database_cable.frozen = True
    began = time.monotonic()

    answers = await asyncio.gather(*(wired.client.get("/readyz") for _ in range(5)))

    assert time.monotonic() - began < 3
    assert {answer.status_code for answer in answers} == {503}
    database_cable.frozen = False
    await _until_ready(wired)


async def test_a_backend_that_is_killed_is_trouble_and_no_bug(web: Web) -> None:
    caller = await web.account()
    assert (await caller.get("/api/credits")).status_code == 200
    await web.db.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity "
        "where application_name = 'web' and datname = current_database()"
    )
    statuses = [(await caller.get("/api/credits")).status_code for _ in range(3)]
    assert set(statuses) <= {200, 503}
    assert statuses[-1] == 200


async def test_a_bug_is_500_without_details(web: Web) -> None:
    caller = await web.account()
    call_id = (await caller.ask_for_call()).json()["callId"]
    await web.db.execute("alter table call_configs rename to moved")  # nobody expects that

    answer = await caller.get(f"/api/calls/{call_id}")

    assert answer.status_code == 500
    assert answer.json() == {
        "error": "Internal server error",
        "message": "Internal server error (500)",
        "status": 500,
        "serverMessage": "Internal server error",
        "retryAfter": None,
        "code": "internal_error",
    }


async def test_metrics_name_routes_and_never_a_call(web: Web) -> None:
    caller = await web.account()
    call_id = (await caller.ask_for_call()).json()["callId"]
    await caller.get(f"/api/calls/{call_id}")
    await web.client.get("/nobody/knows/this")

    text = (await web.client.get("/metrics")).text

    assert 'route="/api/calls/{call_id}",status="200"' in text
    assert 'http_request_seconds_count{route="unknown",status="404"}' in text
    assert 'call_tokens_total{outcome="ok"}' in text
    assert "agent_slots 100.0" in text
    assert "open_calls 1.0" in text
    assert call_id not in text
    assert "nobody" not in text
    assert caller.account.email not in text


async def test_the_schema_shows_the_public_api_only(web: Web) -> None:
    schema = (await web.client.get("/openapi.json")).json()
    paths = set(schema["paths"])
    assert {"/api/call-token", "/api/v1/speech", "/v1/audio/speech"} <= paths
    assert not [path for path in paths if path.startswith(("/internal", "/webhooks", "/dev"))]
    asked = schema["paths"]["/api/call-token"]["post"]["requestBody"]["content"]
    assert "selectedPresetId" in asked["application/json"]["schema"]["properties"]


async def _until_ready(web: Web) -> None:
    deadline = time.monotonic() + 30
    while (await web.client.get("/readyz")).status_code != 200:
        assert time.monotonic() < deadline, "did not recover"
        await asyncio.sleep(0.2)
