"""What the processes of a stack find in their environment."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from billing.receipt_keys import new_entry
from local.failure import CannotRun
from local.layout import Layout
from local.ports import Ports
from local.postgres import socket_dsn
from local.redis_server import redis_url

# Would send calls, traces or credentials away from this machine, or switch the agent to another
# provider's protocol without a word: livekit-agents and the openai package read them by themselves.
DROPPED = frozenset(
    "OPENAI_API_VERSION OPENAI_ORG_ID OPENAI_PROJECT_ID AZURE_OPENAI_ENDPOINT AZURE_OPENAI_API_KEY "
    "OPENAI_API_KEY OPENAI_BASE_URL XAI_API_KEY XAI_BASE_URL "
    "OPENAI_SPEECH_BASE_URL GEMINI_API_KEY GOOGLE_API_KEY REPLICATE_API_TOKEN MISTRAL_API_KEY "
    "GEMINI_BASE_URL REPLICATE_BASE_URL MISTRAL_BASE_URL LOCAL_VOICE_URL "
    "RECOGNITION_BASE_URL RECOGNITION_API_KEY RECOGNITION_MODEL "
    "TEXT_BASE_URL TEXT_API_KEY TEXT_MODEL "
    "EMBEDDING_BASE_URL EMBEDDING_API_KEY EMBEDDING_MODEL "
    "MODERATION_BASE_URL MODERATION_API_KEY MODERATION_MODEL "
    "LIVEKIT_DEV_MODE LIVEKIT_OBSERVABILITY_URL LIVEKIT_INFERENCE_URL LIVEKIT_REMOTE_EOT_URL "
    "LIVEKIT_AGENT_NAME LIVEKIT_AGENT_NAME_OVERRIDE LIVEKIT_KEYS LIVEKIT_CONFIG LIVEKIT_PUBLIC_URL "
    "TELEGRAM_BOT_TOKEN TELEGRAM_CHAT_ID TELEGRAM_BASE_URL MAIL_CA_FILE CRON_SECRET "
    "STRIPE_SECRET_KEY STRIPE_WEBHOOK_SECRET STRIPE_BASE_URL "
    "SENTRY_DSN HTTP_PROXY HTTPS_PROXY ALL_PROXY http_proxy https_proxy all_proxy "
    # Without its compiled files Python needs seconds more for every start.
    "PYTHONDONTWRITEBYTECODE PYTHONSAFEPATH PYTHONPATH PYTHONSTARTUP".split()
)

# Brought back by LOCAL_REAL_VOICE=1.
PROVIDERS = (
    "OPENAI_API_KEY OPENAI_BASE_URL XAI_API_KEY XAI_BASE_URL OPENAI_SPEECH_BASE_URL GEMINI_API_KEY "
    "GEMINI_BASE_URL REPLICATE_API_TOKEN REPLICATE_BASE_URL MISTRAL_API_KEY MISTRAL_BASE_URL "
    "RECOGNITION_BASE_URL RECOGNITION_API_KEY RECOGNITION_MODEL "
    "TEXT_BASE_URL TEXT_API_KEY TEXT_MODEL "
    "EMBEDDING_BASE_URL EMBEDDING_API_KEY EMBEDDING_MODEL "
    "MODERATION_BASE_URL MODERATION_API_KEY MODERATION_MODEL"
).split()

# Brought back by LOCAL_REAL_TILL=1.
TILL = "STRIPE_SECRET_KEY STRIPE_WEBHOOK_SECRET STRIPE_BASE_URL".split()

# What a client of the stack is told, in this order (`python -m local env`).
TOLD = (
    "CONTROL_PLANE_URL LIVEKIT_URL LIVEKIT_API_KEY LIVEKIT_API_SECRET DATABASE_URL REDIS_URL "
    "INTERNAL_TOKEN OPENAI_BASE_URL OPENAI_API_KEY SESSION_JWT_SECRET SESSION_JWT_ISSUER "
    "SESSION_JWT_AUDIENCE"
).split()


@dataclass(frozen=True, slots=True)
class External:
    """Servers of somebody else that the stack uses instead of starting its own."""

    database_url: str | None
    redis_url: str | None
    livekit_url: str | None

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "External":
        """Raises CannotRun for a LiveKit server without its key pair."""
        livekit_url = environment.get("LIVEKIT_URL") or None
        pair = ("LIVEKIT_API_KEY", "LIVEKIT_API_SECRET")
        if livekit_url and not all(environment.get(name) for name in pair):
            raise CannotRun(
                "LIVEKIT_URL is set, but not LIVEKIT_API_KEY and LIVEKIT_API_SECRET: set all "
                "three, or none to use a livekit-server of this stack."
            )
        return cls(
            database_url=environment.get("DATABASE_URL") or None,
            redis_url=environment.get("REDIS_URL") or None,
            livekit_url=livekit_url,
        )


def stack_environment(
    base: Mapping[str, str], *, layout: Layout, ports: Ports, external: External
) -> dict[str, str]:
    """`base` without what would lead astray, with addresses and fresh secrets of one stack."""
    inherited = {name: value for name, value in base.items() if name not in DROPPED}
    web_url = f"http://127.0.0.1:{ports.web}"
    addresses = {
        "CONTROL_PLANE_URL": web_url,
        "DATABASE_URL": external.database_url or socket_dsn(layout),
        "REDIS_URL": external.redis_url or redis_url(layout),
        "AGENT_JOURNAL_DIR": str(layout.data / "journal"),
        "OBJECTS_DIR": str(layout.data / "objects"),
        "MAIL_URL": f"file://{quote(str(layout.data.absolute() / 'mail'))}",
        "MAIL_FROM": "Sexycall <till@localhost>",
        "PUBLIC_URL": web_url,
    }
    credentials = {
        "INTERNAL_TOKEN": secrets.token_urlsafe(32),
        "SESSION_JWT_SECRET": secrets.token_urlsafe(32),
        "SESSION_JWT_ISSUER": f"{web_url}/dev",
        "SESSION_JWT_AUDIENCE": "authenticated",
        "LOCAL_DEV": "1",
        "OBJECT_LINK_SECRET": secrets.token_urlsafe(32),
        "RECEIPT_SIGNING_KEYS": receipt_key(layout.data),
        "API_KEY_HMAC_SECRET": api_key_secret(layout.data),
        "PHONE_PIN_SECRET": phone_pin_secret(layout.data),
    }
    settings = {
        "AGENT_DRAIN_S": "0",  # who presses Ctrl-C does not want to wait for a call to end
        "OPENBLAS_NUM_THREADS": "1",  # numpy would start a thread a core in every job process
        "LIVEKIT_AGENTS_PRELOAD_LOCAL_INFERENCE": "0",  # 241 MB of a model that is not used
        "PYTHONUNBUFFERED": "1",
    }
    return {
        **inherited,
        **_livekit(base, ports, external),
        **_voice(base, ports),
        **_till(base),
        **addresses,
        **credentials,
        **settings,
    }


def receipt_key(data: Path) -> str:
    """Made once a data folder: receipts of yesterday must verify tomorrow."""
    path = data / "receipt-key"
    if not path.exists():
        data.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(new_entry())
    return path.read_text().strip()


def api_key_secret(data: Path) -> str:
    """Made once a data folder, for its API keys work with this one alone."""
    path = data / "api-key-secret"
    if not path.exists():
        data.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(32))
    return path.read_text().strip()


def phone_pin_secret(data: Path) -> str:
    """Made once a data folder, for its PINs are hashed with this one alone."""
    path = data / "phone-pin-secret"
    if not path.exists():
        data.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(32))
    return path.read_text().strip()


def _livekit(base: Mapping[str, str], ports: Ports, external: External) -> dict[str, str]:
    if external.livekit_url:
        return {
            "LIVEKIT_URL": external.livekit_url,
            "LIVEKIT_API_KEY": base["LIVEKIT_API_KEY"],
            "LIVEKIT_API_SECRET": base["LIVEKIT_API_SECRET"],
        }
    return {
        "LIVEKIT_URL": f"ws://127.0.0.1:{ports.livekit}",
        "LIVEKIT_API_KEY": f"local{secrets.token_hex(4)}",
        "LIVEKIT_API_SECRET": secrets.token_urlsafe(32),
    }


def _voice(base: Mapping[str, str], ports: Ports) -> dict[str, str]:
    """The local voice, even where a provider's key is set: a demo must not cost money."""
    if wants_real_voice(base):
        return {name: base[name] for name in PROVIDERS if base.get(name)}
    return {
        "OPENAI_API_KEY": "local",
        "OPENAI_BASE_URL": f"http://127.0.0.1:{ports.voice}/v1",
        "LOCAL_VOICE_URL": f"http://127.0.0.1:{ports.voice}/v1",
        "RECOGNITION_BASE_URL": f"http://127.0.0.1:{ports.voice}/v1",
        "RECOGNITION_MODEL": "local-stt",
        "TEXT_BASE_URL": f"http://127.0.0.1:{ports.voice}/v1",
        "TEXT_MODEL": "local-chat",
    }


def _till(base: Mapping[str, str]) -> dict[str, str]:
    """Nothing is sold in a demo, unless LOCAL_REAL_TILL=1; and never for real money."""
    is_live = "_live_" in base.get("STRIPE_SECRET_KEY", "")
    if base.get("LOCAL_REAL_TILL", "") in {"", "0"} or is_live:
        return {}
    return {name: base[name] for name in TILL if base.get(name)}


def wants_real_voice(base: Mapping[str, str]) -> bool:
    """LOCAL_REAL_VOICE=1: the provider whose key is set speaks, and wants to be paid."""
    return base.get("LOCAL_REAL_VOICE", "") not in {"", "0"}


def told(environment: Mapping[str, str]) -> dict[str, str]:
    """The part a client needs."""
    return {name: environment[name] for name in TOLD if name in environment}
