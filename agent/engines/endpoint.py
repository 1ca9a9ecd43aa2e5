"""Where one model is spoken."""

from dataclasses import dataclass

from pydantic import SecretStr


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`renew_after_s`: how long one session may last before we begin another by ourselves."""

    provider: str
    base_url: str
    api_key: SecretStr
    model: str
    voice: str
    renew_after_s: float
