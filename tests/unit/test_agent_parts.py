"""The small parts of a call that need neither a room nor a network."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from livekit import rtc
from livekit.agents import Agent  # noqa: TID251 - what is configured here
from pydantic import SecretStr, ValidationError

from agent.behaviors.silence import Silence
from agent.charging_client import Unknown
from agent.config_updates import CHANGES_MAX, INSTRUCTIONS_MAX, ConfigUpdates
from agent.engines import NoEngine, check_fallback, endpoint_for
from agent.engines.port import Engine
from agent.gaps import GapKind, Gaps
from agent.instructions import Instructions
from agent.meter import Meter, MeterState
from agent.phrases import phrases_for, spoken
from agent.provider_watch import ProviderWatch
from agent.transcript import Transcript
from agent.voice_output import cut_text
from shared.call_protocol import Gap as ReportedGap
from shared.call_protocol import TranscriptReport
from shared.clock import SystemClock
from tests.agent_calls import agent_settings as settings
from tests.agent_calls import call_config as config

# --- pg.updateConfig


@dataclass
class Dials:
    """What an engine was told to change. Only what the updates use of the protocol."""

    turned: list[object] = field(default_factory=list)
    is_warm: bool = True

    def set_voice(self, voice: str) -> bool:
        self.turned.append(voice)
        return voice != "ara"

    def set_temperature(self, temperature: float) -> bool:
        self.turned.append(temperature)
        return self.is_warm

    def set_output_tokens(self, tokens: int | None) -> bool:
        self.turned.append(tokens)
        return True


def updates_of(agent: Agent, dials: Dials, **changes: Any) -> ConfigUpdates:
    call = config(**changes)
    opened = asyncio.Event()
    opened.set()
    return ConfigUpdates(call, agent, cast("Engine", dials), Instructions.of(call), opened)


async def update(payload: Any, *, caller: str = "human", **changes: Any) -> tuple[str, str]:
    """The answer, and the instructions after it."""
    agent = Agent(instructions="You are Ara.")
    updates = updates_of(agent, Dials(), **changes)
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


async def test_voice_and_temperature_change_where_the_engine_can() -> None:
    agent, dials = Agent(instructions="You are Ara."), Dials(is_warm=False)
    updates = updates_of(agent, dials, instructions_locked=True)

    async def ask(**changes: Any) -> str:
        text = json.dumps({"instructions": "", "model": "x", **changes})
        return await updates.handle(rtc.RpcInvocationData("id", "human", text, 10.0))

    assert await ask(voice="rex", temperature=1.1) == '{"changed": true}'
    assert await ask(voice="ara", temperature=1.2) == '{"changed": false}'
    assert dials.turned == [1.1, "rex", 1.2, "ara"]


async def test_what_is_said_before_the_talk_is_not_changed() -> None:
    """A caller's prompt stood beside the order to say that this is an AI."""
    agent, dials = Agent(instructions="Read this out."), Dials()
    updates = updates_of(agent, dials)
    updates.opened.clear()
    text = json.dumps({"instructions": "You are a person.", "max_output_tokens": 1, "voice": "rex"})
    asked = asyncio.create_task(updates.handle(rtc.RpcInvocationData("id", "human", text, 10.0)))
    done, _ = await asyncio.wait([asked], timeout=0.05)
    assert (done, agent.instructions, dials.turned) == (set(), "Read this out.", [])
    updates.opened.set()
    assert await asked == '{"changed": true}'
    assert agent.instructions == "You are a person."


async def test_nobody_changes_a_call_without_end() -> None:
    updates = updates_of(Agent(instructions="You are Ara."), Dials())
    answers = []
    for number in range(CHANGES_MAX + 1):
        text = json.dumps({"instructions": f"You are {number}."})
        answers.append(await updates.handle(rtc.RpcInvocationData("id", "human", text, 10.0)))
    assert answers[-2:] == ['{"changed": true}', '{"changed": false}']


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
        {"instructions": "new", "temperature": 9},
        {"instructions": "new", "voice": "../rex"},
        {"instructions": "new", "voice": "x" * 100},
    ],
)
async def test_nonsense_is_an_error_and_changes_nothing(payload: Any) -> None:
    agent = Agent(instructions="You are Ara.")
    updates = updates_of(agent, Dials())
    text = payload if isinstance(payload, str) else json.dumps(payload)
    with pytest.raises(rtc.RpcError):
        await updates.handle(rtc.RpcInvocationData("id", "human", text, 10.0))
    assert agent.instructions == "You are Ara."


# --- engines and settings


def test_grok_models_go_to_xai_when_its_key_is_there() -> None:
    both = settings(xai_api_key=SecretStr("xai"))
    assert endpoint_for("grok-voice-think-fast-1.0", "Ara", both).provider == "xai"
    assert endpoint_for("gpt-realtime", "Ara", both).provider == "openai"
    assert endpoint_for("grok-voice-think-fast-1.0", "Ara", settings()).provider == "openai"


def test_a_session_is_renewed_before_its_provider_ends_it() -> None:
    theirs = endpoint_for("gpt-realtime", "Ara", settings())
    anybodys = endpoint_for("m", "Ara", settings(openai_base_url="http://localhost:8000/v1"))
    said = endpoint_for("m", "Ara", settings(agent_session_renew_s=30))
    assert (theirs.renew_after_s, anybodys.renew_after_s, said.renew_after_s) == (3300, 540, 30)


def test_a_model_without_a_provider_is_refused() -> None:
    only_xai = settings(openai_api_key=None, xai_api_key=SecretStr("xai"))
    with pytest.raises(NoEngine):
        endpoint_for("gpt-realtime", "Ara", only_xai)


@pytest.mark.parametrize(
    ("changes", "needs"),
    [
        ({"agent_fallback_model": "gpt-realtime"}, "OPENAI_API_KEY"),
        ({"agent_fallback_model": "pipeline"}, "RECOGNITION_BASE_URL"),
        ({"agent_fallback_model": "pipeline", "text_base_url": "http://x"}, "OPENAI_SPEECH"),
    ],
)
def test_a_fallback_that_could_not_speak_is_found_out_at_the_start(
    changes: dict[str, Any], needs: str
) -> None:
    only_xai = {"openai_api_key": None, "xai_api_key": SecretStr("x")}
    with pytest.raises(NoEngine, match=needs):
        check_fallback(settings(**only_xai, **changes))
    check_fallback(settings(**changes))
    check_fallback(settings(**only_xai))
    check_fallback(settings(**only_xai, agent_fallback_model="grok-voice-think-fast-2.0"))


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
    assert gaps.too_long(14.2, line_s=5, provider_s=20) is None
    assert gaps.too_long(14.4, line_s=5, provider_s=20) is GapKind.ROOM_LOST


def test_a_model_has_its_own_time_to_come_back_on_a_line_that_has_little() -> None:
    """On the telephone no second provider could have taken over in the six seconds of a line."""
    gaps = running_gaps()
    gaps.begin(GapKind.PROVIDER_DOWN, 10.0)
    assert gaps.too_long(29.9, line_s=6, provider_s=20) is None
    assert gaps.too_long(30.0, line_s=6, provider_s=20) is GapKind.PROVIDER_DOWN
    gaps.begin(GapKind.CALLER_AWAY, 20.0)
    assert gaps.too_long(26.0, line_s=6, provider_s=20) is GapKind.PROVIDER_DOWN, "the cause"


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
            on_stalled=lambda: self.done.append("stalled"),
            on_late=lambda: self.done.append("late"),
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
    check_until(watch, 0, 5)
    watch.event(5.1)
    check_until(watch, 6, 8)
    assert provider.done == ["ping"]


def test_a_quiet_provider_that_does_not_answer_is_down_until_it_does() -> None:
    provider = Provider()
    watch = provider.watch()
    check_until(watch, 0, 7)
    assert provider.done == ["ping", "down", "stalled"]
    check_until(watch, 8, 40)
    assert provider.done.count("down") == provider.done.count("late") == 1
    watch.event(40.5)
    assert provider.done[-1] == "up"


def test_a_lost_connection_is_down_until_the_provider_says_something() -> None:
    provider = Provider()
    watch = provider.watch()
    watch.lost(1.0)
    watch.lost(2.0)
    check_until(watch, 2, 2)
    watch.event(2.9)
    assert provider.done == ["down", "up"]


def test_a_caller_who_waits_for_longer_than_two_seconds_is_told_once_each_time() -> None:
    provider = Provider()
    watch = provider.watch()
    watch.lost(0.0)
    check_until(watch, 1, 3)
    assert provider.done == ["down", "late"]
    watch.event(3.5)
    watch.lost(4.0)
    check_until(watch, 4, 7)
    assert provider.done == ["down", "late", "up", "down", "late"]


def test_a_caller_who_gets_no_reply_pays_no_more_until_there_is_one() -> None:
    provider = Provider()
    watch = provider.watch()
    watch.caller_was_heard(1.0)
    for now_s in range(1, 20):
        watch.event(float(now_s))
        watch.check(float(now_s))
    assert provider.done[:2] == ["down", "stalled"]
    watch.agent_speaks()
    assert provider.done[-1] == "up"


def test_tools_that_run_are_a_reply_under_way_and_not_a_stall() -> None:
    """One of somebody else's may take ten seconds, and a model may use several."""
    provider = Provider()
    watch = provider.watch()
    watch.caller_was_heard(1.0)
    for now_s in range(1, 35):
        watch.event(float(now_s))
        if now_s < 25:
            watch.tool_runs(float(now_s))
        watch.check(float(now_s))
        assert provider.done == [] or now_s == 34, "the reply is due ten seconds after the last"
    assert provider.done == ["down", "stalled"]


def test_words_that_are_known_only_after_a_short_answer_wait_for_no_other_one() -> None:
    provider = Provider()
    watch = provider.watch()
    watch.agent_speaks()  # before the caller did
    watch.caller_speaks()
    watch.caller_paused()
    watch.agent_speaks()
    watch.caller_was_heard(2.0)
    for now_s in range(2, 20):
        watch.event(float(now_s))
        watch.check(float(now_s))
    assert provider.done == []
    watch.caller_speaks()
    watch.caller_paused()
    watch.caller_was_heard(21.0)
    watch.event(30.0)
    watch.check(31.0)
    assert provider.done == ["down", "stalled"]


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
