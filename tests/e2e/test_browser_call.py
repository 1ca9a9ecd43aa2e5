"""A person with a browser: headless Chromium, the real page, a recorded voice as its microphone."""

import math
import time
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from playwright.async_api import Browser

from local.call_result import CallResult
from local.caller import new_email
from local.microphone import RATE_HZ, spoken
from local.stack import Stack
from tests.e2e.browser import CallPage, open_call_page, run_chromium
from tests.e2e.ledger import billed_between, connect

CREDITS = 10_000
CREDITS_PER_MINUTE = 1_000
MUTED_S = 4
TALK_S = 20
EAR_S = 0.3  # the page's own clock and ear, on two busy cores

# Of the voice that is played again and again as the microphone: silence before and after words.
SPEECH = (
    (4.5, "hello there"),
    (4.5, "tell me a story"),
    (3.5, "please stop talking"),  # in the middle of it
    (4.0, ""),
)

# Notes when the first sound of the agent was played, by the page's clock.
LISTEN = """() => {
  const context = new AudioContext();
  const listen = () => {
    const element = document.querySelector('#sounds audio[data-track="voice"]');
    if (!element || !element.srcObject) { setTimeout(listen, 10); return; }
    const analyser = context.createAnalyser();
    context.createMediaStreamSource(element.srcObject).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    const look = () => {
      analyser.getFloatTimeDomainData(samples);
      if (samples.some((sample) => Math.abs(sample) > 0.015)) {
        window.firstSoundAt = performance.now();
      } else {
        setTimeout(look, 10);
      }
    };
    look();
  };
  listen();
}"""
HEARD_S = "() => window.firstSoundAt ? (performance.now() - window.firstSoundAt) / 1000 : 0"


def write_speech(path: Path) -> Path:
    """SPEECH as a WAV file."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
        for silence_s, words in SPEECH:
            file.writeframes(bytes(int(silence_s * RATE_HZ) * 2))
            file.writeframes(spoken(words) if words else b"")
    return path


@pytest_asyncio.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    async with run_chromium(microphone=write_speech(tmp_path / "speech.wav")) as running:
        yield running


async def test_a_call_from_the_page_is_heard_shown_and_settled(
    browser: Browser, rough_stack: Stack
) -> None:
    email = new_email()
    page = await open_call_page(browser, rough_stack.control_plane_url, email=email)
    await page.page.evaluate(LISTEN)
    await page.dial()
    await page.wait_phase("talking")
    await page.wait_sound()
    await both_sides_are_captioned(page)
    await the_meter_runs(page)
    await mute_for_a_while(page)
    await until_heard_for(page, TALK_S)
    truth_s = await heard_s(page)
    await page.end()
    truth_s = (truth_s + await heard_s(page)) / 2  # the click lies between the two
    await page.wait_phase("ended")
    shown = await page.settlement()
    assert page.faults == []
    assert await page.problem() == ""
    await page.page.context.close()
    call = await last_call_of(rough_stack, email)
    check = await billed_between(
        rough_stack, call, at_least_s=truth_s - 1 - EAR_S, at_most_s=truth_s + EAR_S
    )
    print(f"Chromium: truth {truth_s:.2f} s, billed {check.seconds} s, shown {shown}")
    assert call.end_reason == "caller_hangup"
    assert shown.talked == f"0:{check.seconds:02}"
    assert float(shown.paid.replace(",", "")) == round(check.cost / 1e6, 2)
    assert float(shown.left.replace(",", "")) == round(CREDITS - check.cost / 1e6, 2)
    assert shown.words == "Settled."


async def both_sides_are_captioned(page: CallPage) -> None:
    await page.see("hello there")
    await page.see("It is nice to hear you")
    await page.see("tell me a story", timeout_s=20)
    speakers = [speaker for speaker, _ in await page.captions()]
    assert speakers[:4] == ["agent", "agent", "you", "agent"]  # what it is, then its greeting


async def the_meter_runs(page: CallPage) -> None:
    seconds, (used, left) = await page.seconds(), await page.credits()
    assert seconds >= 5
    assert used in {
        math.ceil(s * CREDITS_PER_MINUTE / 60) + rounding
        for s in (seconds, seconds + 1)
        for rounding in (-1, 0)
    }
    assert used + left in {CREDITS, CREDITS - 1, CREDITS + 1}


async def mute_for_a_while(page: CallPage) -> None:
    """A muted caller is not heard, and goes on to be counted: the line is open."""
    await page.toggle_mute()
    await page.see("You are muted")
    before = await page.seconds()
    began = time.monotonic()
    while time.monotonic() - began < MUTED_S:
        await page.page.wait_for_timeout(100)
    assert await page.seconds() - before in {MUTED_S - 1, MUTED_S, MUTED_S + 1}
    await page.toggle_mute()


async def heard_s(page: CallPage) -> float:
    seconds: float = await page.page.evaluate(HEARD_S)
    return seconds


async def until_heard_for(page: CallPage, seconds: float) -> None:
    while await heard_s(page) < seconds + 0.5:
        await page.page.wait_for_timeout(50)


async def last_call_of(stack: Stack, email: str) -> CallResult:
    connection = await connect(stack)
    try:
        row = await connection.fetchrow(
            "select s.id, s.seconds, s.end_reason from call_sessions s "
            "join profiles p on p.id = s.user_id where p.email = $1",
            email,
        )
    finally:
        await connection.close()
    assert row is not None
    return CallResult(
        call_id=str(row["id"]), billed_s=row["seconds"], end_reason=row["end_reason"], settled=True
    )
