"""Recordings that were made to hurt: each ends as BadAudio or facts, soon, and the next works."""

import asyncio
import io
import random
import socket
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

import av
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from control_plane.audio.port import AudioFormat, AudioTooLong, BadAudio, Recording
from control_plane.audio.settings import AudioSettings
from control_plane.audio.wav import wav_header
from control_plane.audio.workshop import INPUT_BYTES_MAX, ProcessWorkshop, open_workshop
from tests import sounds

SPEECH = sounds.murmur(2.0)
ANSWER_S_MAX = 10.0  # on a machine that is busy with other things; all take far below a second


class Bench:
    """A workshop, and a loop to use it from tests that are plain functions (hypothesis)."""

    def __init__(self, runner: asyncio.Runner, workshop: ProcessWorkshop) -> None:
        self._runner = runner
        self.workshop = workshop
        self.made = {
            audio_format: runner.run(workshop.encode(SPEECH, audio_format))
            for audio_format in AudioFormat
        }

    def decode(self, data: bytes, media_type: str = "audio/wav", **limits: Any) -> Recording:
        limits = {"max_s": 60.0, **limits}

        async def decoded() -> Recording:
            async with asyncio.timeout(ANSWER_S_MAX):
                return await self.workshop.decode(data, media_type=media_type, **limits)

        return self._runner.run(decoded())


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with asyncio.Runner() as runner:
        opened = open_workshop(AudioSettings(audio_workers=1))
        yield Bench(runner, runner.run(opened.__aenter__()))
        runner.run(opened.__aexit__(None, None, None))


def still_works(bench: Bench) -> bool:
    return bench.decode(bench.made[AudioFormat.FLAC]).pcm == SPEECH


def png() -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        crc = zlib.crc32(kind + body)
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", crc)

    size = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n" + size + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")
    )


def zip_bomb() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("speech.wav", bytes(20_000_000))
    return packed.getvalue()


def wav(*, rate_hz: int = 24_000, channels: int = 1, codec: int = 1, data: bytes = SPEECH) -> bytes:
    """A WAV file whose header says what it is told to."""
    step = 2 * channels % 65_536
    form = struct.pack("<HHIIHH", codec, channels, rate_hz, 48_000, step, 16)
    return b"RIFF\xff\xff\xff\x7fWAVEfmt \x10\0\0\0" + form + b"data\xff\xff\xff\x7f" + data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        b"RIFF",
        wav_header(0),
        wav_header(None),
        wav(data=b""),
        png(),
        zip_bomb(),
        b"<html><script>alert(1)</script></html>",
        b"%PDF-1.7\n",
        b"ID3\x04\0\0\x7f\x7f\x7f\x7f",
        random.Random(5).randbytes(100_000),
        wav(rate_hz=1),
        wav(rate_hz=0),
        wav(rate_hz=2**31),
        wav(channels=0),
        wav(channels=65_535),
        wav(codec=0x11),
        wav(codec=0xFFFE),
    ],
)
def test_what_is_no_audio_is_refused_whatever_it_is_called(bench: Bench, data: bytes) -> None:
    for media_type in ("audio/wav", "audio/mpeg", "", "audio/webm;codecs=opus"):
        with pytest.raises(BadAudio):
            bench.decode(data, media_type)
    assert still_works(bench)


@pytest.mark.parametrize(
    "media_type",
    [
        "audio/L16;rate=0",
        "audio/L16;rate=1",
        "audio/L16;rate=-24000",
        "audio/L16;rate=99999999999999999999",
        "audio/L16;rate=fast",
        "audio/pcm;channels=0",
        "audio/pcm;channels=1000000",
        "audio/pcm;channels=",
    ],
)
def test_bare_pcm_of_an_impossible_shape_is_refused(bench: Bench, media_type: str) -> None:
    with pytest.raises(BadAudio):
        bench.decode(SPEECH, media_type)


def test_content_decides_and_not_the_name(bench: Bench) -> None:
    heard = bench.decode(bench.made[AudioFormat.MP3], "audio/wav")
    assert heard.facts.codec == "mp3"


@pytest.mark.parametrize("audio_format", [AudioFormat.MP3, AudioFormat.OPUS, AudioFormat.AAC])
def test_a_truncated_file_is_as_long_as_what_is_there(
    bench: Bench, audio_format: AudioFormat
) -> None:
    whole = bench.made[audio_format]
    heard = bench.decode(whole[: len(whole) // 2], audio_format.media_type)
    assert 700 <= heard.facts.duration_ms <= 1_300


def test_a_wav_that_promises_more_than_it_has_is_as_long_as_what_is_there(bench: Bench) -> None:
    assert bench.decode(wav()).facts.duration_ms == 2_000


@pytest.mark.parametrize("audio_format", [AudioFormat.AAC, AudioFormat.MP3, AudioFormat.FLAC])
def test_a_small_file_of_many_hours_stops_at_the_limit(
    bench: Bench, audio_format: AudioFormat
) -> None:
    """Silence shrinks to nothing: 20 hours in 20 MB or less, 3.5 GB when decoded."""
    if audio_format is AudioFormat.FLAC:
        bomb = long_flac(hours=2)
    else:
        minute = asyncio.run(encoded_minute(audio_format))
        bomb = (minute * 1_200)[:INPUT_BYTES_MAX]
    with pytest.raises(AudioTooLong):
        bench.decode(bomb, max_s=300.0)
    with pytest.raises(AudioTooLong):
        bench.decode(bomb, max_s=300.0, trim_s=10.0)
    assert still_works(bench)


async def encoded_minute(audio_format: AudioFormat) -> bytes:
    async with open_workshop(AudioSettings(audio_workers=1)) as workshop:
        return await workshop.encode(sounds.silence(60), audio_format)


def long_flac(*, hours: int) -> bytes:
    """Eight thousand samples a second of nothing."""
    file = io.BytesIO()
    with av.open(file, "w", format="flac") as container:
        stream = container.add_stream("flac", rate=8_000, layout="mono")
        frame = av.AudioFrame(format="s16", layout="mono", samples=8_000 * 60)
        frame.planes[0].update(bytes(frame.planes[0].buffer_size))
        frame.sample_rate = 8_000
        for minute in range(60 * hours):
            frame.pts = minute * frame.samples
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def test_a_file_beyond_the_limit_reaches_no_worker(bench: Bench) -> None:
    pids = bench.workshop.pool.pids
    with pytest.raises(BadAudio):
        bench.decode(bytes(INPUT_BYTES_MAX + 1))
    assert bench.workshop.pool.pids == pids


@pytest.mark.parametrize(
    "playlist",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nhttp://127.0.0.1:{port}/a.ts\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile 'http://127.0.0.1:{port}/a.wav'\n",
        "[playlist]\nFile1=http://127.0.0.1:{port}/a.mp3\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio {port} RTP/AVP 0\n",
    ],
)
def test_no_recording_makes_us_open_an_address(bench: Bench, playlist: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        data = playlist.replace("{port}", str(server.getsockname()[1])).encode()
        with pytest.raises(BadAudio):
            bench.decode(data, "application/vnd.apple.mpegurl")
        with pytest.raises(BlockingIOError):
            server.accept()


def test_a_film_is_heard_and_not_seen(bench: Bench) -> None:
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as container:
        video = container.add_stream("mpeg4", rate=5)
        video.width = video.height = 64
        audio = container.add_stream("libopus", rate=24_000, layout="mono")
        for number in range(5):
            picture = av.VideoFrame(64, 64, "yuv420p")
            picture.pts = number
            container.mux(video.encode(picture))
        sound = av.AudioFrame(format="s16", layout="mono", samples=24_000)
        sound.planes[0].update(bytes(sound.planes[0].buffer_size))
        sound.sample_rate = 24_000
        container.mux(audio.encode(sound))
        for stream in (video, audio):
            container.mux(stream.encode(None))
    assert bench.decode(file.getvalue(), "video/webm").facts.codec == "opus"


def test_only_what_people_send_is_decoded(bench: Bench) -> None:
    """FFmpeg reads hundreds of formats that nobody sends except to find its bugs."""
    au = b".snd" + struct.pack(">IIIII", 24, 0xFFFF_FFFF, 3, 24_000, 1) + SPEECH
    with pytest.raises(BadAudio):
        bench.decode(au, "audio/basic")


def test_a_picture_without_sound_is_refused(bench: Bench) -> None:
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as container:
        video = container.add_stream("mpeg4", rate=5)
        video.width = video.height = 64
        container.mux(video.encode(av.VideoFrame(64, 64, "yuv420p")))
        container.mux(video.encode(None))
    with pytest.raises(BadAudio):
        bench.decode(file.getvalue())


def survives(bench: Bench, data: bytes, media_type: str) -> None:
    try:
        heard = bench.decode(data, media_type)
    except BadAudio:
        return
    assert 0 < len(heard.pcm) <= 60 * 48_000
    assert heard.facts.duration_ms == round(sounds.duration_ms(heard.pcm))
    assert heard.facts.voiced_ms <= heard.facts.duration_ms
    assert heard.facts.peak_dbfs <= 0.0


FUZZING = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
PREFIXES = (b"", b"RIFF", b"OggS", b"fLaC", b"ID3", b"\xff\xfb", b"\xff\xf1", b"\x1aE\xdf\xa3")
MEDIA_TYPES = st.sampled_from(["audio/wav", "audio/pcm", "audio/mpeg", "", ";;=;"])


@FUZZING
@given(
    prefix=st.sampled_from(PREFIXES), data=st.binary(min_size=1, max_size=4_000), name=MEDIA_TYPES
)
def test_random_bytes_never_hurt(bench: Bench, prefix: bytes, data: bytes, name: str) -> None:
    survives(bench, prefix + data, name)


@FUZZING
@given(
    audio_format=st.sampled_from([each for each in AudioFormat if each is not AudioFormat.PCM]),
    wounds=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=8)),
        min_size=1,
        max_size=20,
    ),
    end=st.floats(0.01, 1),
)
def test_damaged_recordings_never_hurt(
    bench: Bench, audio_format: AudioFormat, wounds: list[tuple[float, bytes]], end: float
) -> None:
    data = bytearray(bench.made[audio_format])
    for place, new in wounds:
        start = int(place * len(data))
        data[start : start + len(new)] = new
    survives(bench, bytes(data[: max(1, int(end * len(data)))]), audio_format.media_type)


def test_after_all_that_the_first_worker_is_still_there_or_was_replaced(bench: Bench) -> None:
    assert still_works(bench)
