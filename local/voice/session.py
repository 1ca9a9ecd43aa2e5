"""The settings of one Realtime session: what `session.update` merges into, what we honour of it."""

import copy
from typing import Any

from local.voice.languages import language_of_model
from local.voice.protocol import ProtocolError
from local.voice.speech import SPEECH_RATE_HZ
from local.voice.turn_taking import TurnDetection

Settings = dict[str, Any]

DEFAULT_VOICE = "ara"
TOOLS_MAX = 128
INSTRUCTIONS_CHARS_MAX = 200_000

# semantic_vad waits by meaning; here its eagerness only chooses how long a pause ends a turn.
_PAUSE_MS_OF_EAGERNESS = {"low": 1000, "medium": 600, "auto": 600, "high": 400}


class Session:
    """Merged settings. `snapshot()` is what the client is told."""

    def __init__(self, *, session_id: str, model: str, language: str | None = None) -> None:
        self.language = language or language_of_model(model)
        self._settings: Settings = {
            "type": "realtime",
            "object": "realtime.session",
            "id": session_id,
            "model": model,
            "instructions": "",
            "output_modalities": ["audio"],
            "tools": [],
            "tool_choice": "auto",
            "max_output_tokens": "inf",
            "audio": {
                "input": {
                    "format": {"type": "audio/pcm", "rate": SPEECH_RATE_HZ},
                    "transcription": None,
                    "turn_detection": {"type": "server_vad"},
                },
                "output": {
                    "format": {"type": "audio/pcm", "rate": SPEECH_RATE_HZ},
                    "voice": DEFAULT_VOICE,
                    "speed": 1.0,
                },
            },
        }
        self.turn_detection: TurnDetection | None = TurnDetection()

    def update(self, change: object) -> None:
        """Merge a partial update, all of it or (ProtocolError) nothing."""
        if not isinstance(change, dict):
            raise ProtocolError("session must be an object", param="session")
        merged = copy.deepcopy(self._settings)
        for key, value in change.items():
            if key == "audio":
                _merge_audio(merged["audio"], value)
            elif key not in ("id", "object"):
                merged[key] = value
        _check(merged)
        self.turn_detection = turn_detection_of(merged["audio"]["input"].get("turn_detection"))
        self._settings = merged

    def snapshot(self) -> Settings:
        return self._settings

    @property
    def instructions(self) -> str:
        return str(self._settings["instructions"] or "")

    @property
    def tools(self) -> list[Settings]:
        return list(self._settings["tools"] or [])

    @property
    def tool_choice(self) -> object:
        return self._settings["tool_choice"]

    @property
    def output_modalities(self) -> list[str]:
        return list(self._settings["output_modalities"])

    @property
    def voice(self) -> str:
        return voice_name(self._settings["audio"]["output"].get("voice"))

    @property
    def speed(self) -> float:
        return float(self._settings["audio"]["output"].get("speed") or 1.0)

    @property
    def wants_transcripts(self) -> bool:
        return bool(self._settings["audio"]["input"].get("transcription"))


def voice_name(voice: object) -> str:
    """A voice given as a name or as {"id": …}."""
    if isinstance(voice, dict):
        voice = voice.get("id")
    return voice if isinstance(voice, str) and voice else DEFAULT_VOICE


def turn_detection_of(setting: object) -> TurnDetection | None:
    """Server VAD settings; None for client-side turns. Raises ProtocolError."""
    if setting is None:
        return None
    if not isinstance(setting, dict):
        raise ProtocolError("turn_detection must be an object or null", param="turn_detection")
    defaults = TurnDetection()
    if setting.get("type") == "semantic_vad":
        eagerness = setting.get("eagerness") or "auto"
        if eagerness not in _PAUSE_MS_OF_EAGERNESS:
            raise ProtocolError("unknown eagerness", param="turn_detection.eagerness")
        pause_ms: float = _PAUSE_MS_OF_EAGERNESS[eagerness]
    elif setting.get("type") == "server_vad":
        pause_ms = _number(
            setting, "silence_duration_ms", defaults.silence_duration_ms, 100, 10_000
        )
    else:
        raise ProtocolError("unknown turn detection", param="turn_detection.type")
    return TurnDetection(
        threshold=_number(setting, "threshold", defaults.threshold, 0, 1),
        silence_duration_ms=int(pause_ms),
        prefix_padding_ms=int(
            _number(setting, "prefix_padding_ms", defaults.prefix_padding_ms, 0, 5_000)
        ),
        create_response=setting.get("create_response") is not False,
        interrupt_response=setting.get("interrupt_response") is not False,
    )


def _number(setting: Settings, key: str, default: float, low: float, high: float) -> float:
    value = setting.get(key)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ProtocolError(f"{key} must be {low} to {high}", param=f"turn_detection.{key}")
    return value


def _merge_audio(audio: Settings, change: object) -> None:
    """Keys of `audio.input` and `audio.output` are replaced one by one."""
    if not isinstance(change, dict):
        raise ProtocolError("audio must be an object", param="session.audio")
    for side, values in change.items():
        if side not in audio or not isinstance(values, dict):
            raise ProtocolError(f"unknown part {side}", param="session.audio")
        audio[side].update(values)


def _check(settings: Settings) -> None:
    if settings["type"] != "realtime":
        raise ProtocolError("only realtime sessions are known", param="session.type")
    for side in ("input", "output"):
        _check_format(settings["audio"][side].get("format"))
    tools = settings["tools"] or []
    named = isinstance(tools, list) and all(isinstance(t, dict) and t.get("name") for t in tools)
    if not named or len(tools) > TOOLS_MAX:
        raise ProtocolError(f"tools must be at most {TOOLS_MAX} with names", param="session.tools")
    if len(str(settings["instructions"] or "")) > INSTRUCTIONS_CHARS_MAX:
        raise ProtocolError("instructions are too long", param="session.instructions")
    modalities = settings["output_modalities"]
    if modalities not in (["audio"], ["text"]):
        raise ProtocolError("choose audio or text", param="session.output_modalities")
    speed = settings["audio"]["output"].get("speed")
    if speed is not None and not (isinstance(speed, int | float) and 0.25 <= speed <= 1.5):  # noqa: PLR2004
        raise ProtocolError("speed must be 0.25 to 1.5", param="session.audio.output.speed")


def _check_format(form: object) -> None:
    """24 kHz PCM16 is the only one, as it is the one livekit-agents speaks."""
    if form is None:
        return
    if not isinstance(form, dict) or form.get("type") != "audio/pcm":
        raise ProtocolError("only audio/pcm is supported", param="session.audio.format")
    if form.get("rate", SPEECH_RATE_HZ) != SPEECH_RATE_HZ:
        raise ProtocolError("only 24000 Hz is supported", param="session.audio.format.rate")
