"""What an operator decides about minors; the rest of safety is not up to settings."""

from typing import Literal

from pydantic import Field

from shared.settings import EnvironmentSettings


class SafetySettings(EnvironmentSettings):
    # "protected": minors' mode. "refused": nobody calls who has not said that they are of age.
    safety_minors: Literal["protected", "refused"] = "protected"
    safety_minors_memory: bool = False  # whether calls in minors' mode may remember for good
    # Seconds of talk, as CALL_BREAK_REMINDER_S, but never off and never more than three hours.
    safety_minors_break_reminder_s: int = Field(default=1_800, ge=1, le=10_800)
