"""What the processes of a stack find in their environment."""

from pathlib import Path

import pytest

from local.environment import External, stack_environment, told
from local.failure import CannotRun
from local.layout import Layout
from local.ports import ports_from_environment

PORTS = ports_from_environment({})
LAYOUT = Layout(Path("/data"))


def environment(**base: str) -> dict[str, str]:
    return stack_environment(base, layout=LAYOUT, ports=PORTS, external=External.of(base))


def test_a_stack_of_its_own_lives_on_loopback_and_sockets() -> None:
    made = environment()
    assert made["CONTROL_PLANE_URL"] == "http://127.0.0.1:8800"
    assert made["LIVEKIT_URL"] == "ws://127.0.0.1:8801"
    assert made["DATABASE_URL"] == "postgresql://postgres@/postgres?host=/data/sockets"
    assert made["REDIS_URL"] == "unix:///data/sockets/redis.sock"
    assert made["OPENAI_BASE_URL"] == "http://127.0.0.1:8804/v1"


def test_servers_of_somebody_else_are_used() -> None:
    made = environment(
        DATABASE_URL="postgresql://db/x",
        REDIS_URL="redis://cache",
        LIVEKIT_URL="wss://media",
        LIVEKIT_API_KEY="key",
        LIVEKIT_API_SECRET="secret",
    )
    assert made["DATABASE_URL"] == "postgresql://db/x"
    assert made["REDIS_URL"] == "redis://cache"
    assert (made["LIVEKIT_URL"], made["LIVEKIT_API_KEY"]) == ("wss://media", "key")


def test_a_livekit_server_without_its_keys_is_refused() -> None:
    with pytest.raises(CannotRun, match="LIVEKIT_API_KEY and LIVEKIT_API_SECRET"):
        environment(LIVEKIT_URL="wss://media")


def test_a_demo_costs_nobody_money_and_calls_nobody() -> None:
    made = environment(
        OPENAI_API_KEY="sk-real",
        XAI_API_KEY="xai-real",
        SENTRY_DSN="https://sentry",
        HTTPS_PROXY="http://proxy",
        OPENAI_API_VERSION="azure",
        STRIPE_SECRET_KEY="sk_live_real",
        STRIPE_WEBHOOK_SECRET="whsec_real",
        STRIPE_BASE_URL="https://stripe",
        TELEGRAM_BOT_TOKEN="real",
        TELEGRAM_CHAT_ID="1",
        MAIL_URL="smtp://user:password@real",
        MAIL_FROM="real@example.com",
    )
    assert made["OPENAI_API_KEY"] == "local"
    assert made["MAIL_URL"].startswith("file:///data/")
    assert made["MAIL_FROM"].endswith("@localhost>")
    leaking = {"XAI_API_KEY", "SENTRY_DSN", "HTTPS_PROXY", "OPENAI_API_VERSION"}
    leaking |= {"STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET", "STRIPE_BASE_URL"}
    leaking |= {"TELEGRAM_BOT_TOKEN", "TELEGRAM_CHAT_ID"}
    assert leaking & made.keys() == set()


def test_a_real_voice_is_used_when_asked_for() -> None:
    made = environment(XAI_API_KEY="xai-real", LOCAL_REAL_VOICE="1")
    assert made["XAI_API_KEY"] == "xai-real"
    assert "OPENAI_API_KEY" not in made


def test_a_till_is_used_when_asked_for_and_it_takes_no_real_money() -> None:
    keys = {"STRIPE_SECRET_KEY": "sk_test_mine", "STRIPE_WEBHOOK_SECRET": "whsec_mine"}
    assert "STRIPE_SECRET_KEY" not in environment(**keys, LOCAL_REAL_VOICE="1")
    assert keys.items() <= environment(**keys, LOCAL_REAL_TILL="1").items()
    live = keys | {"STRIPE_SECRET_KEY": "sk_live_mine", "LOCAL_REAL_TILL": "1"}
    assert not any(name.startswith("STRIPE_") for name in environment(**live))


def test_every_start_has_secrets_of_its_own() -> None:
    names = ("INTERNAL_TOKEN", "SESSION_JWT_SECRET", "LIVEKIT_API_SECRET")
    one, other = environment(), environment()
    assert all(one[name] != other[name] for name in names)
    assert all(len(one[name]) >= 32 for name in names)


def test_a_client_is_told_what_it_needs_and_nothing_of_the_machine() -> None:
    assert told(environment(HOME="/home/me")).keys() == {
        "CONTROL_PLANE_URL",
        "LIVEKIT_URL",
        "LIVEKIT_API_KEY",
        "LIVEKIT_API_SECRET",
        "DATABASE_URL",
        "REDIS_URL",
        "INTERNAL_TOKEN",
        "OPENAI_BASE_URL",
        "OPENAI_API_KEY",
        "SESSION_JWT_SECRET",
        "SESSION_JWT_ISSUER",
        "SESSION_JWT_AUDIENCE",
    }
