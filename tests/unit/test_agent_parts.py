"""The small parts of a call that need neither a room nor a network."""

import json
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from livekit import rtc
from livekit.agents import Agent  # noqa: TID251 - what is configured here
from pydantic import SecretStr, ValidationError

from agent.behaviors.silence import Silence
from agent.charging_client import Unknown
from agent.config_updates import INSTRUCTIONS_MAX, ConfigUpdates
from agent.engines import NoEngine, engine_for
from agent.gaps import GapKind, Gaps
from agent.meter import Meter, MeterState
from agent.phrases import phrases_for, spoken
from agent.provider_watch import ProviderWatch
from agent.settings import AgentSettings
from agent.transcript import Transcript
from agent.voice_output import cut_text
from shared.call_protocol import CallConfig, TranscriptReport
from shared.call_protocol import Gap as ReportedGap
from shared.clock import SystemClock


def settings(**changes: Any) -> AgentSettings:
    values: dict[str, Any] = {
        "livekit_url": "ws://livekit",
        "livekit_api_key": "key",
        "livekit_api_secret": SecretStr("secret"),
        "internal_token": SecretStr("x" * 16),
        "control_plane_url": "http://control",
        "openai_api_key": SecretStr("openai"),
    }
    return AgentSettings(**values | changes)


def config(**changes: Any) -> CallConfig:
    values: dict[str, Any] = {
        "call_id": uuid4(),
        "epoch": 1,
        "seconds": 0,
        "granted_seconds": 60,
        "final_unit": False,
        "free_limited": False,
        "room_name": "ro-1",
        "caller_identity": "human",
        "model": "m",
        "voice": "ara",
        "language": "en",
        "instructions": "You are Ara.",
        "greeting": "Greet.",
        "temperature": None,
        "max_output_tokens": None,
        "instructions_locked": False,
        "silence_limit_s": 60,
        "join_limit_s": 20,
        "rejoin_limit_s": 10,
    }
    return CallConfig(**values | changes)


# --- pg.updateConfig


async def update(payload: Any, *, caller: str = "human", **changes: Any) -> tuple[str, str]:
    """The answer, and the instructions after it."""
    agent = Agent(instructions="You are Ara.")
    updates = ConfigUpdates(config(**changes), agent)
    text = payload if isinstance(payload, str) else json.dumps(payload)
    answer = await updates.handle(rtc.RpcInvocationData("id", caller, text, 10.0))
    return answer, str(agent.instructions)


async def test_the_caller_may_replace_the_prompt() -> None:
    answer, prompt = await update({"instructions": "You are Rex.", "max_output_tokens": ""})
    assert (answer, prompt) == ('{"changed": true}', "You are Rex.")


async def test_nobody_else_may() -> None:
    answer, prompt = await update({"instructions": "You are Rex."}, caller="guest")
    assert (answer, prompt) == ('{"changed": false}', "You are Ara.")


async def test_a_locked_prompt_stays() -> None:
    answer, prompt = await update({"instructions": "You are Rex."}, instructions_locked=True)
    assert (answer, prompt) == ('{"changed": false}', "You are Ara.")


@pytest.mark.parametrize("instructions", ["", "  \n", "You are Ara."])
async def test_an_empty_or_equal_prompt_changes_nothing(instructions: str) -> None:
    """Upstream's page sends an empty one for public characters."""
    answer, prompt = await update({"instructions": instructions})
    assert (answer, prompt) == ('{"changed": false}', "You are Ara.")


async def test_a_voice_cannot_change_while_it_speaks() -> None:
    answer, _ = await update({"instructions": "", "voice": "rex", "temperature": 1.1, "model": "x"})
    assert answer == '{"changed": false}'


@pytest.mark.parametrize(
    "payload",
    [
        "",
        "no json",
        "[]",
        "null",
        {"instructions": 7},
        {"instructions": "x" * (INSTRUCTIONS_MAX + 1)},
        {"instructions": "new", "max_output_tokens": -1},
        {"instructions": "new", "max_output_tokens": 10**9},
        {"instructions": "new", "max_output_tokens": "many"},
        {"instructions": "new", "max_output_tokens": True},
        {"instructions": "new", "temperature": "hot"},
    ],
)
async def test_nonsense_is_an_error_and_changes_nothing(payload: Any) -> None:
    agent = Agent(instructions="You are Ara.")
    updates = ConfigUpdates(config(), agent)
    text = payload if isinstance(payload, str) else json.dumps(payload)
    with pytest.raises(rtc.RpcError):
        await updates.handle(rtc.RpcInvocationData("id", "human", text, 10.0))
    assert agent.instructions == "You are Ara."


# --- engines and settings


def test_grok_models_go_to_xai_when_its_key_is_there() -> None:
    both = settings(xai_api_key=SecretStr("xai"))
    assert engine_for("grok-voice-think-fast-1.0", both).provider == "xai"
    assert engine_for("gpt-realtime", both).provider == "openai"
    assert engine_for("grok-voice-think-fast-1.0", settings()).provider == "openai"


def test_a_model_without_a_provider_is_refused() -> None:
    with pytest.raises(NoEngine):
        engine_for("gpt-realtime", settings(openai_api_key=None, xai_api_key=SecretStr("xai")))


def test_a_worker_without_any_provider_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "XAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ValidationError, match="OPENAI_API_KEY or XAI_API_KEY"):
        settings(openai_api_key=None)


def test_an_address_must_be_one() -> None:
    with pytest.raises(ValidationError, match="control_plane_url"):
        settings(control_plane_url="control:8000")


# --- gaps


def running_gaps() -> Gaps:
    meter = Meter(base_seconds=0, granted_seconds=600, final_unit=False)
    meter.start(0.0)
    return Gaps(meter)


def test_the_clock_runs_again_when_the_last_gap_is_over() -> None:
    gaps = running_gaps()
    gaps.begin(GapKind.ROOM_LOST, 10.0)
    gaps.begin(GapKind.PROVIDER_DOWN, 11.0)
    gaps.end(GapKind.ROOM_LOST, 20.0)
    assert gaps.meter.state is MeterState.PAUSED
    gaps.end(GapKind.PROVIDER_DOWN, 30.0)
    assert gaps.meter.finish(31.0) == 11


def test_the_end_of_a_gap_that_never_began_starts_nothing() -> None:
    gaps = running_gaps()
    gaps.begin(GapKind.CALLER_AWAY, 10.0)
    gaps.end(GapKind.PROVIDER_DOWN, 11.0)
    assert gaps.meter.state is MeterState.PAUSED


def test_a_gap_that_lasts_too_long_is_named_by_its_cause() -> None:
    """When our room is lost the caller seems to leave it, a little earlier by the evidence."""
    gaps = running_gaps()
    gaps.begin(GapKind.ROOM_LOST, 10.0)
    gaps.begin(GapKind.CALLER_AWAY, 9.3)
    assert gaps.too_long(5.0, 14.2) is None
    assert gaps.too_long(5.0, 14.4) is GapKind.ROOM_LOST


def test_a_standstill_is_listed_once_by_what_stopped_the_clock_first() -> None:
    gaps = running_gaps()
    gaps.meter.tick(10.2)
    gaps.begin(GapKind.ROOM_LOST, 10.5)
    gaps.begin(GapKind.CALLER_AWAY, 10.0)
    gaps.end(GapKind.ROOM_LOST, 14.0)
    assert gaps.standstills[0].report(0, 15.0).lasted_s == 4.5  # so far
    gaps.end(GapKind.CALLER_AWAY, 16.0)
    assert [gap.report(3, 99.0) for gap in gaps.standstills] == [
        ReportedGap(index=3, at_s=10, lasted_s=5.5, cause="media_lost")
    ]


def test_nothing_stands_still_before_the_clock_starts() -> None:
    gaps = Gaps(Meter(base_seconds=0, granted_seconds=60, final_unit=False))
    gaps.begin(GapKind.PROVIDER_DOWN, 1.0)
    assert gaps.standstills == []


@dataclass
class Told:
    """What a transcript posted; `fail` makes the next post end unknown."""

    reports: list[TranscriptReport] = field(default_factory=list)
    fail: bool = False

    async def post(self, report: TranscriptReport) -> None:
        self.reports.append(report)
        if self.fail:
            self.fail = False
            raise Unknown("lost")


async def test_a_gap_is_reported_until_its_end_was_answered() -> None:
    gaps, told = running_gaps(), Told()
    transcript = Transcript(epoch=2, clock=SystemClock(), post=told.post, gaps=gaps)
    await transcript.report()
    assert told.reports == []
    gaps.begin(GapKind.PROVIDER_DOWN, 10.0)
    await transcript.report()
    gaps.end(GapKind.PROVIDER_DOWN, 12.5)
    told.fail = True
    await transcript.report()
    await transcript.report()
    await transcript.report()
    assert [[gap.index for gap in report.gaps] for report in told.reports] == [[100]] * 3
    assert [report.gaps[0].lasted_s for report in told.reports[1:]] == [2.5, 2.5]


# --- the provider


@dataclass
class Provider:
    """What the watch over a provider did, in order."""

    done: list[str] = field(default_factory=list)

    def watch(self) -> ProviderWatch:
        watch = ProviderWatch(
            on_down=lambda: self.done.append("down"),
            on_up=lambda: self.done.append("up"),
            ping=lambda: self.done.append("ping"),
        )
        watch.event(0.0)
        return watch


def check_until(watch: ProviderWatch, start_s: int, end_s: int) -> None:
    for now_s in range(start_s, end_s + 1):
        watch.check(float(now_s))


def test_a_provider_that_talks_is_left_alone() -> None:
    provider = Provider()
    watch = provider.watch()
    for now_s in range(60):
        watch.event(float(now_s))
        watch.check(now_s + 0.5)
    assert provider.done == []


def test_a_quiet_provider_that_answers_is_up() -> None:
    provider = Provider()
    watch = provider.watch()
    check_until(watch, 0, 9)
    watch.event(9.1)
    check_until(watch, 10, 16)
    assert provider.done == ["ping"]


def test_a_quiet_provider_that_does_not_answer_is_down_until_it_does() -> None:
    provider = Provider()
    watch = provider.watch()
    check_until(watch, 0, 20)
    assert provider.done == ["ping", "down"]
    check_until(watch, 21, 40)
    assert provider.done.count("down") == 1
    watch.event(40.5)
    assert provider.done[-1] == "up"


def test_a_lost_connection_is_down_until_the_provider_says_something() -> None:
    provider = Provider()
    watch = provider.watch()
    watch.lost()
    watch.lost()
    watch.event(3.0)
    assert provider.done == ["down", "up"]


def test_a_caller_who_gets_no_reply_pays_no_more_until_there_is_one() -> None:
    provider = Provider()
    watch = provider.watch()
    watch.caller_was_heard(1.0)
    for now_s in range(1, 20):
        watch.event(float(now_s))
        watch.check(float(now_s))
    assert provider.done == ["down"]
    watch.agent_speaks()
    assert provider.done == ["down", "up"]


def test_a_caller_who_speaks_on_is_owed_nothing_yet() -> None:
    provider = Provider()
    watch = provider.watch()
    watch.caller_was_heard(1.0)
    watch.caller_speaks()
    for now_s in range(1, 20):
        watch.event(float(now_s))
        watch.check(float(now_s))
    assert provider.done == []


# --- silence, words, captions


def test_silence_is_counted_from_the_last_word() -> None:
    silence = Silence(limit_s=10)
    assert not silence.is_too_long(someone_speaks=False, now_s=0)
    assert not silence.is_too_long(someone_speaks=True, now_s=8)
    assert not silence.is_too_long(someone_speaks=False, now_s=17)
    assert silence.is_too_long(someone_speaks=False, now_s=18)


def test_a_language_with_words_of_its_own_is_not_translated() -> None:
    assert "Sekunden" in phrases_for("de-AT").seconds_left
    assert spoken("Auf Wiederhören!", "de").startswith('Say: "Auf Wiederhören!"')
    assert '"fi"' in spoken(phrases_for("fi").goodbye, "fi")


def test_interrupted_words_end_with_a_whole_word() -> None:
    assert cut_text("one two three four", 0.5) == "one two"
    assert cut_text("one two three four", 1.0) == "one two three four"
    assert cut_text("one two three four", 0.0) == ""
    assert cut_text("", 0.5) == ""


@given(text=st.text(alphabet="ab ", max_size=60), heard=st.floats(0, 1))
def test_cut_words_are_a_beginning_of_what_was_said(text: str, heard: float) -> None:
    cut = cut_text(text, heard)
    assert text.startswith(cut)
    assert len(cut) <= round(len(text) * heard) + 1 or heard >= 1
