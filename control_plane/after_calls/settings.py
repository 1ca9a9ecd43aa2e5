"""What is made of calls that are over, and how long what was said in them is kept."""

from typing import Literal

from pydantic import Field, SecretStr

from shared.settings import EnvironmentSettings

Retention = Literal["none", "30_days", "keep"]


class AfterCallSettings(EnvironmentSettings):
    """The chat model is the one of TEXT_MODEL; without it nothing is made of calls."""

    call_retention: Retention = "30_days"  # of who never said anything
    call_analysis: bool = False  # upstream's analysis for operators; it reads private talk
    call_summary_secret: SecretStr | None = Field(default=None, min_length=16)
    after_calls_at_once: int = Field(default=1, ge=0, le=32)  # in each jobs process
