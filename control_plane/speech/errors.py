"""Refusals of orders for speech. The tree is in `shared/errors.py`."""

from control_plane.tts.port import InputTooLong
from shared.errors import Conflict, Invalid, Unavailable


class TextTooLong(InputTooLong):
    """Text exceeds the maximum length"""

    def __init__(self, chars_max: int, *, what: str = "Text", why: str = "") -> None:
        super().__init__(f"{what} exceeds the maximum length of {chars_max} characters{why}")
        self.chars_max = chars_max


class TextMissing(Invalid):
    """Missing required parameters"""

    code = "missing_parameters"


class StreamNotOffered(Conflict):
    """Streaming is not available for this voice"""

    code = "stream_not_offered"


class TextModelMissing(Unavailable):
    """Writing help is not configured"""

    code = "text_model_missing"
