"""Whether calls may be recorded at all."""

from typing import Literal

from control_plane.after_calls.settings import AfterCallSettings


class RecordingSettings(AfterCallSettings):
    """`ask`: each caller is asked before the clock starts, and recorded only after a yes."""

    call_recording: Literal["off", "ask"] = "off"
