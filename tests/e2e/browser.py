"""
A real Chromium, and the call page in it as a person uses it.

    async with run_chromium(microphone=wav) as browser:
        page = await open_call_page(browser, base_url, email="ann@example.org")
        await page.dial()

`chromium` is the fixture; assign it in a test module: `chromium = browser.chromium`.
"""

import math
import struct
import time
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright

from local.chromium import find_chromium

PAGE_LIMIT_MS = 15_000  # two cores are shared by browser, media server and test
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
)


@asynccontextmanager
async def run_chromium(*, microphone: Path | None) -> AsyncIterator[Browser]:
    """Headless; `microphone` is played as what the caller says, None is a machine without one."""
    arguments = list(QUIET)
    if microphone is not None:
        arguments += [
            "--use-fake-device-for-media-stream",
            f"--use-file-for-fake-audio-capture={microphone}",
        ]
    program = find_chromium()
    if program is None:
        pytest.fail("no Chromium: install it, or set CHROMIUM_BIN")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=program, headless=True, args=arguments
        )
        try:
            yield browser
        finally:
            await browser.close()


@pytest_asyncio.fixture
async def chromium(tmp_path: Path) -> AsyncIterator[Browser]:
    """A browser whose microphone hears a beep each second."""
    async with run_chromium(microphone=write_beeps(tmp_path / "beeps.wav")) as browser:
        yield browser


def write_beeps(path: Path) -> Path:
    """Two seconds of 440 Hz, on for half of each; as a fake microphone it repeats for ever."""
    rate = 48_000
    tone = [int(12_000 * math.sin(2 * math.pi * 440 * i / rate)) for i in range(rate // 2)]
    second = tone + [0] * (rate // 2)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(struct.pack(f"<{rate * 2}h", *second, *second))
    return path


@dataclass(frozen=True, slots=True)
class Settlement:
    """As the page shows it."""

    talked: str
    paid: str
    left: str
    words: str


@dataclass(slots=True)
class CallPage:
    """What a caller does and sees. `faults` are script errors and policy violations so far."""

    page: Page
    faults: list[str] = field(default_factory=list)

    async def log_in(self, email: str) -> None:
        await self.page.get_by_label("Your e-mail").fill(email)
        await self.page.get_by_role("button", name="Continue").click()

    async def wait_phase(self, *phases: str, timeout_s: float = PAGE_LIMIT_MS / 1000) -> None:
        """Until the page is in one of the phases that web/assets/call.js names."""
        selector = ", ".join(f'body[data-phase="{phase}"]' for phase in phases)
        await self.page.wait_for_selector(selector, timeout=timeout_s * 1000)

    async def dial(self, voice: str = "Ara") -> None:
        """Choose a voice and press the call button; does not wait for an answer."""
        await self.page.get_by_role("radio", name=voice).check(force=True)
        await self.page.get_by_role("button", name=f"Call {voice}").click()

    async def end(self) -> None:
        await self.page.get_by_role("button", name="End").click()

    async def toggle_mute(self) -> None:
        await self.page.locator("#mute").click()

    async def see(self, words: str, *, timeout_s: float = PAGE_LIMIT_MS / 1000) -> None:
        """Until these words can be read anywhere on the page."""
        found = self.page.get_by_text(words).locator("visible=true").first
        await found.wait_for(timeout=timeout_s * 1000)

    async def problem(self) -> str:
        """The words of the problem box; empty when there is none."""
        return (await self.page.locator("#problem").inner_text()).strip()

    async def status(self) -> str:
        return await self.page.locator("#status").inner_text()

    async def seconds(self) -> int:
        """What the timer shows."""
        face = await self.page.locator("#timer").inner_text()
        seconds = 0
        for part in face.split(":"):
            seconds = seconds * 60 + int(part)
        return seconds

    async def credits(self) -> tuple[int, int]:
        """Used and left, as the running call shows them."""
        used = await self.page.locator("#used").inner_text()
        left = await self.page.locator("#left").inner_text()
        return int(used.replace(",", "")), int(left.replace(",", ""))

    async def captions(self) -> list[tuple[str, str]]:
        """(`you` or `agent`, words), oldest first."""
        lines: list[list[str]] = await self.page.locator("#captions li").evaluate_all(
            "items => items.map(i => [i.className.split(' ')[0], i.lastElementChild.textContent])"
        )
        return [(speaker, words) for speaker, words in lines]

    async def settlement(self, *, timeout_s: float = 15) -> Settlement:
        """Waits until the page has got it, or has given up."""
        await self.page.wait_for_selector(
            '#settlement[aria-busy="false"]', timeout=timeout_s * 1000
        )
        names = ("settled-time", "settled-credits", "settled-left", "settlement-words")
        return Settlement(*[await self.page.locator(f"#{name}").inner_text() for name in names])

    async def loudness(self) -> float:
        """RMS of what the page plays now, 0 to 1: what the caller hears, not what was sent."""
        level: float = await self.page.evaluate(_LOUDNESS)
        return level

    async def sideways(self) -> int:
        """Pixels by which the page is wider than the screen."""
        pixels: int = await self.page.evaluate(
            "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        return pixels

    async def contrast_too_low(self) -> list[str]:
        """Visible texts with less than 4.5 to 1 against what lies behind them."""
        found: list[str] = await self.page.evaluate(_LOW_CONTRAST)
        return found

    async def wait_sound(self, *, timeout_s: float = 10) -> float:
        """Seconds until the caller heard something. Fails when it stays silent."""
        began = time.monotonic()
        while time.monotonic() - began < timeout_s:
            if await self.loudness() > 0.01:
                return time.monotonic() - began
        pytest.fail(f"the caller heard nothing for {timeout_s} s")


_LOUDNESS = """async () => {
  const element = document.querySelector('#sounds audio');
  if (!element || element.paused || !element.srcObject) return 0;
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  context.createMediaStreamSource(element.srcObject).connect(analyser);
  await new Promise((resolve) => setTimeout(resolve, 150));
  const samples = new Float32Array(analyser.fftSize);
  analyser.getFloatTimeDomainData(samples);
  await context.close();
  return Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length);
}"""


_LOW_CONTRAST = """() => {
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => {
    const [r, g, b] = parts(colour).map((part) => part / 255)
      .map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if ((parts(colour)[3] ?? 1) > 0.99) return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  return [...document.querySelectorAll('main *')]
    .filter((element) => element.checkVisibility() && !element.closest('.orb'))
    .filter((element) => [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
    .map((element) => {
      const pair = [light(getComputedStyle(element).color), light(ground(element))];
      const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
      return ratio < 4.5 ? `${ratio.toFixed(2)} ${element.textContent.slice(0, 30)}` : '';
    })
    .filter(Boolean);
}"""


async def open_page(
    browser: Browser,
    base_url: str,
    *,
    path: str = "/",
    microphone_allowed: bool = True,
    **options: Any,
) -> CallPage:
    """The page in a profile of its own, before the log-in. `options` are Playwright's."""
    context = await browser.new_context(
        base_url=base_url,
        permissions=["microphone"] if microphone_allowed else [],
        reduced_motion="reduce",
        **options,
    )
    context.set_default_timeout(PAGE_LIMIT_MS)
    shown = CallPage(await context.new_page())
    shown.page.on("pageerror", lambda error: shown.faults.append(str(error)))
    shown.page.on(
        "console",
        lambda line: shown.faults.append(line.text) if "Content Security" in line.text else None,
    )
    await shown.page.goto(path)
    return shown


async def open_call_page(
    browser: Browser, base_url: str, *, email: str, **options: Any
) -> CallPage:
    """Logged in on a local stack, ready to dial."""
    shown = await open_page(browser, base_url, **options)
    await shown.log_in(email)
    await shown.wait_phase("idle")
    return shown
