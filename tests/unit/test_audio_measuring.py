"""Levels of known sounds, and pieces that become one."""

import numpy as np
import pytest

from control_plane.audio import measuring
from control_plane.audio.joining import FADE_SAMPLES, PAUSE_SAMPLES, joined
from tests import sounds


@pytest.mark.parametrize(
    ("level_db", "lufs"),
    [(0.0, -3.0), (-10.0, -13.0), (-23.0, -26.0), (-40.0, -43.0)],
)
def test_the_loudness_of_a_sine_is_what_the_standard_says(level_db: float, lufs: float) -> None:
    """ITU-R BS.1770-4: a sine of 997 Hz at full scale in one channel has -3.01 LKFS."""
    pcm = sounds.tone(5.0, hz=997, level=10 ** (level_db / 20))
    assert measuring.loudness_lufs(pcm) == pytest.approx(lufs, abs=0.1)


def test_pauses_do_not_make_speech_quieter() -> None:
    spoken = sounds.tone(3.0, hz=997, level=0.1)
    paused = spoken + sounds.silence(6.0) + spoken
    assert measuring.loudness_lufs(paused) == pytest.approx(
        measuring.loudness_lufs(spoken), abs=0.4
    )


@pytest.mark.parametrize("seconds", [0.01, 0.1, 0.39, 0.5])
def test_a_sound_shorter_than_the_meters_block_is_measured_too(seconds: float) -> None:
    pcm = sounds.tone(seconds, hz=1000, level=0.1)
    assert measuring.loudness_lufs(pcm) == pytest.approx(-23.0, abs=0.5)


def test_silence_has_the_lowest_levels() -> None:
    for pcm in (b"", sounds.silence(0.001), sounds.silence(2.0)):
        assert measuring.loudness_lufs(pcm) == -70.0
        assert measuring.peak_dbfs(pcm) == -100.0
        assert measuring.voiced_ms(pcm) == 0


def test_the_loudest_sample_may_be_the_most_negative() -> None:
    assert measuring.peak_dbfs(b"\x00\x80") == 0.0


def test_what_is_voiced_is_counted_over_minutes_too() -> None:
    long = (sounds.tone(1.0) + sounds.silence(1.0)) * 65
    assert measuring.voiced_ms(long) == 65_000
    assert measuring.voiced_ms(sounds.tone(0.0075)) == 8
    assert measuring.voiced_ms(sounds.tone(1.0, level=10 ** (-55 / 20))) == 0


def jumps(pcm: bytes) -> float:
    """The largest step between two samples, as a part of full scale."""
    return float(np.abs(np.diff(sounds.samples_of(pcm))).max())


def test_no_joint_clicks() -> None:
    """A sine cut at its crest would jump by a quarter of full scale."""
    crest = sounds.tone(0.50125, hz=200, level=0.25)
    assert abs(sounds.samples_of(crest)[-1]) > 0.2
    whole = joined([crest, crest, crest])

    assert len(whole) // 2 == 3 * len(crest) // 2 + 2 * PAUSE_SAMPLES
    assert jumps(crest + sounds.silence(0.1)) > 0.2
    assert jumps(whole) < 1.2 * jumps(crest)
    assert jumps(sounds.silence(0.1) + whole + sounds.silence(0.1)) < 1.2 * jumps(crest)


def test_a_fade_leaves_the_rest_as_it_was() -> None:
    piece = sounds.tone(1.0)
    alone = joined([piece])
    kept = slice(2 * FADE_SAMPLES, -2 * FADE_SAMPLES)
    assert len(alone) == len(piece)
    assert alone[kept] == piece[kept]


def test_pieces_get_one_loudness() -> None:
    pieces = [sounds.murmur(2.0, level=level) for level in (0.05, 0.1, 0.2)]
    whole = joined(pieces)
    step = len(pieces[0]) + 2 * PAUSE_SAMPLES
    found = [
        measuring.loudness_lufs(whole[start * step : start * step + len(pieces[0])])
        for start in range(3)
    ]
    assert max(found) - min(found) < 0.3
    assert found[1] == pytest.approx(measuring.loudness_lufs(pieces[1]), abs=0.3)


def test_nothing_is_clipped_on_the_way() -> None:
    """The quiet piece has one loud peak: all become a little quieter instead."""
    loud = sounds.murmur(2.0, level=0.8)
    peaked = sounds.samples_of(sounds.murmur(2.0, level=0.2))
    peaked[24_000:24_010] = 0.9
    whole = joined([loud, sounds.pcm_of(peaked), loud])
    assert measuring.peak_dbfs(whole) <= -0.9
    step = len(loud) + 2 * PAUSE_SAMPLES
    found = [measuring.loudness_lufs(whole[i * step : i * step + len(loud)]) for i in range(3)]
    assert max(found) - min(found) < 0.5


def test_silence_and_nothing_are_joined_as_they_are() -> None:
    assert joined([]) == b""
    assert joined([b"", b"\0"]) == b""
    quiet = sounds.silence(1.0)
    assert joined([quiet, quiet]) == bytes(2 * len(quiet) + 2 * PAUSE_SAMPLES)
    assert len(joined([b"\x01\x02", sounds.tone(1.0)])) == 2 + 2 * PAUSE_SAMPLES + 48_000
