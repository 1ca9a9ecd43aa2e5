"""Pieces become one recording, however many minutes they are together."""

import io
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from control_plane.audio.port import AudioFormat, Workshop
from control_plane.audio.settings import AudioSettings
from control_plane.audio.workshop import open_workshop
from control_plane.objects.opening import open_objects
from control_plane.objects.settings import ObjectSettings
from control_plane.speech_jobs.assembly import GROUP_MS_MAX, assembled, groups
from control_plane.store.speech_jobs import Part
from tests.sounds import RATE, murmur


@pytest_asyncio.fixture
async def workshop() -> AsyncIterator[Workshop]:
    async with open_workshop(AudioSettings()) as opened:
        yield opened


def part(number: int, seconds: float) -> Part:
    return Part(
        number=number,
        starts_at=number,
        ends_at=number + 1,
        object_key=f"parts/{number}.pcm",
        duration_ms=round(seconds * 1000),
        quantity=1,
        provider_model="m",
    )


def test_groups_are_consecutive_and_no_longer_than_the_limit() -> None:
    parts = [part(n, seconds) for n, seconds in enumerate([100, 150, 100, 400, 1, 250, 49, 1])]

    made = [[each.number for each in group] for group in groups(parts)]

    assert made == [[0, 1], [2], [3], [4, 5, 6], [7]]
    assert GROUP_MS_MAX == 300_000


@pytest.mark.parametrize("audio_format", [AudioFormat.WAV, AudioFormat.MP3])
async def test_what_is_longer_than_a_group_is_whole_and_does_not_click(
    workshop: Workshop, tmp_path: Path, audio_format: AudioFormat
) -> None:
    objects = open_objects(
        ObjectSettings.model_validate(
            {"objects_dir": tmp_path, "object_link_secret": "x" * 32, "objects_bucket": None}
        )
    )
    lengths = [2.0, 299.0, 3.0]
    parts = [part(number, seconds) for number, seconds in enumerate(lengths)]
    for each, seconds in zip(parts, lengths, strict=True):
        await objects.put(each.object_key or "", murmur(seconds), media_type="audio/pcm")

    made = await assembled(parts, audio_format, workshop=workshop, objects=objects)

    assert made.facts.duration_ms == pytest.approx(304_300, abs=20)  # with two breaths of 150 ms
    assert made.facts.codec == audio_format
    recording = await workshop.decode(made.data, media_type=audio_format.media_type, max_s=400.0)
    assert recording.facts.duration_ms == pytest.approx(304_300, abs=150)
    assert recording.facts.loudness_lufs == pytest.approx(made.facts.loudness_lufs, abs=1.5)
    samples = np.frombuffer(recording.pcm, dtype="<i2").astype(np.int32)
    joint = slice(int(300.9 * RATE), int(301.4 * RATE))
    usual = np.abs(np.diff(samples[:RATE])).max()
    assert np.abs(np.diff(samples[joint])).max() <= usual * 1.2


async def test_a_wav_says_how_long_it_is(workshop: Workshop, tmp_path: Path) -> None:
    objects = open_objects(
        ObjectSettings.model_validate(
            {"objects_dir": tmp_path, "object_link_secret": "x" * 32, "objects_bucket": None}
        )
    )
    await objects.put("parts/0.pcm", murmur(1.0), media_type="audio/pcm")

    made = await assembled([part(0, 1.0)], AudioFormat.WAV, workshop=workshop, objects=objects)

    with wave.open(io.BytesIO(made.data)) as reader:
        assert (reader.getnframes(), reader.getframerate()) == (RATE, RATE)
