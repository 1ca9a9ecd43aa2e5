"""The small pure parts of the local voice."""

import asyncio

import numpy as np
import pytest

from local.voice import voicebox
from local.voice.conversation import ITEMS_MAX, Conversation, client_item
from local.voice.faults import Faults, FaultSet
from local.voice.input_audio import KEPT_MS_MAX, InputAudio
from local.voice.languages import language_named, language_of_model, language_of_script
from local.voice.pacing import pause_s, spread
from local.voice.protocol import ProtocolError, message_item
from local.voice.resample import resample
from local.voice.sentences import SENTENCE_CHARS_MAX, SentenceBuffer, sentences_of
from local.voice.speech import BYTES_PER_MS, espeak_voice, synthesize
from local.voice.stats import Stats
from local.voice.voicebox import Manner, Voicebox
from local.voice.wav import NotAWave, read_wave, streaming_header


def sine(frequency_hz: float, rate_hz: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.asarray(10_000 * np.sin(2 * np.pi * frequency_hz * np.arange(rate_hz) / rate_hz))


@pytest.mark.parametrize(("source_hz", "target_hz"), [(22_050, 24_000), (24_000, 16_000)])
def test_resampling_keeps_a_voice_as_it_was(source_hz: int, target_hz: int) -> None:
    pcm = sine(1_000, source_hz).astype("<i2").tobytes()
    got = np.frombuffer(resample(pcm, source_hz=source_hz, target_hz=target_hz), "<i2")
    want = sine(1_000, target_hz)
    assert len(got) == target_hz
    error = (got - want)[200:-200]
    assert 20 * np.log10(np.std(error) / np.std(want)) < -55


def test_what_the_lower_rate_cannot_hold_is_not_folded_into_it() -> None:
    pcm = sine(11_000, 24_000).astype("<i2").tobytes()
    got = np.frombuffer(resample(pcm, source_hz=24_000, target_hz=16_000), "<i2")
    assert np.std(got[200:-200]) < 100


@pytest.mark.parametrize("pcm", [b"", b"\1", b"\1\0", b"\1\0\2"])
def test_resampling_almost_nothing_is_no_error(pcm: bytes) -> None:
    assert len(resample(pcm, source_hz=24_000, target_hz=16_000)) in (0, 2)


def test_sentences_end_where_a_speaker_stops() -> None:
    text = 'Hello there! "How are you?" I have 3.5 apples.\nAnd you?'
    assert sentences_of(text) == ["Hello there!", '"How are you?', "I have 3.5 apples.", "And you?"]


def test_a_sentence_is_ready_as_soon_as_it_is_whole() -> None:
    buffer = SentenceBuffer()
    assert buffer.push("Hello. How a") == ["Hello."]
    assert buffer.push("re you") == []
    assert buffer.rest() == ["How are you"]
    assert buffer.rest() == []


@pytest.mark.parametrize("text", ["word " * 400, "x" * 1_000, "one, two, " * 100])
def test_no_sentence_is_too_long_and_no_word_is_lost(text: str) -> None:
    parts = sentences_of(text)
    assert max(map(len, parts)) <= SENTENCE_CHARS_MAX
    assert "".join(parts).replace(" ", "") == text.replace(" ", "")


def test_audio_leaves_in_bursts_of_five_times_real_time() -> None:
    assert pause_s(sent_ms=1_000, elapsed_s=0) == 0
    assert pause_s(sent_ms=2_000, elapsed_s=0) == pytest.approx(0.2)
    assert pause_s(sent_ms=2_000, elapsed_s=0.5) == 0


def test_words_are_shared_out_whole_and_in_order() -> None:
    assert spread(["a", "b", "c"], parts=2) == [" a", " b c"]
    assert spread(["a"], parts=3) == ["", "", " a"]
    assert spread([], parts=2) == ["", ""]


def test_a_truncated_item_keeps_only_the_words_that_were_played() -> None:
    talk = Conversation()
    talk.add(message_item("a", role="assistant", content=[], status="completed"))
    talk.hear("a", "one two three four", audio_ms=4_000)
    talk.truncate("a", played_ms=2_500)
    assert talk.words_of(talk.get("a")) == "one two"
    talk.truncate("a", played_ms=9_000)
    assert talk.words_of(talk.get("a")) == "one two"


def test_a_conversation_has_an_end() -> None:
    talk = Conversation()
    for number in range(ITEMS_MAX):
        talk.add(message_item(str(number), role="user", content=[], status="completed"))
    with pytest.raises(ProtocolError, match="full"):
        talk.add(message_item("one more", role="user", content=[], status="completed"))


def test_an_item_that_is_too_long_is_refused() -> None:
    content = [{"type": "input_text", "text": "x" * 100_001}]
    with pytest.raises(ProtocolError, match="too long"):
        client_item({"type": "message", "role": "user", "content": content})


def test_a_fault_counts_its_own_occasions() -> None:
    faults = Faults()
    faults.replace(FaultSet(mute=True, think_s=0.0, times=2))
    assert [faults.take("mute") for _ in range(3)] == [True, True, None]
    assert faults.take("think_s") == 0.0
    assert faults.take("refuse") is None
    faults.replace(FaultSet())
    assert faults.take("think_s") is None


def test_kept_audio_is_bounded_and_knows_its_time() -> None:
    audio = InputAudio()
    for _ in range(KEPT_MS_MAX // 1_000 + 20):
        audio.append(bytes(1_000 * BYTES_PER_MS))
    assert audio.kept_ms == KEPT_MS_MAX
    assert audio.heard_ms == KEPT_MS_MAX + 20_000
    audio.forget_before(audio.heard_ms - 300)
    assert len(audio.take()) == 300 * BYTES_PER_MS
    assert audio.kept_ms == 0


async def test_a_sentence_is_spoken_once_and_the_cache_is_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stats = Stats()
    box, manner = Voicebox(stats), Manner("Ara")
    first = await box.say("Hello there.", manner)
    assert await box.say("Hello there.", manner) == first
    assert (stats.sentences_synthesized, stats.sentences_from_cache) == (1, 1)
    monkeypatch.setattr(voicebox, "CACHE_BYTES_MAX", len(first) + 10)
    await box.say("Something else.", manner)
    await box.say("Hello there.", manner)
    assert stats.sentences_synthesized == 3
    box.close()


async def test_sentences_spoken_at_once_do_not_mix() -> None:
    box, texts = Voicebox(Stats()), ["One.", "One two three four.", "Once there was a lighthouse."]
    alone = [len(synthesize(text, "Ara").pcm + voicebox.PAUSE) for text in texts]
    together = await asyncio.gather(*(box.say(text, Manner("Ara")) for text in texts))
    assert [len(pcm) for pcm in together] == pytest.approx(alone, rel=0.02)
    box.close()


def test_every_voice_name_has_a_sound_of_its_own() -> None:
    names = ("Ara", "Eve", "Leo", "Rex", "Sal")
    assert len({espeak_voice(name, "en-us") for name in names}) == 5
    assert espeak_voice("ARA", "en-us") == espeak_voice("ara", "en-us")
    assert espeak_voice("some-clone", "en-us") == espeak_voice("some-clone", "en-us")


@pytest.mark.parametrize("text", ["", "\0", "🙂", "<speak>x</speak>", "\ud800"])
def test_unspeakable_text_is_no_error(text: str) -> None:
    assert len(synthesize(text).pcm) % 2 == 0


@pytest.mark.parametrize("language", ["../../etc/passwd", "", "en-us\0", "x" * 99])
def test_what_is_no_language_tag_is_english(language: str) -> None:
    assert espeak_voice("Ara", language).language == "en-us"


def test_a_language_espeak_does_not_know_is_spoken_as_english() -> None:
    english = synthesize("Hello there.", language="en-us").duration_s
    assert synthesize("Hello there.", language="tlh-x").duration_s == pytest.approx(english, 0.02)


def test_a_model_name_can_end_in_a_language() -> None:
    assert language_of_model("local-voice-de") == "de"
    assert language_of_model("local-voice:pt") == "pt"
    assert language_of_model("gpt-realtime") == "en-us"
    english = synthesize("Die Zeit ist um.", language="en-us").duration_s
    assert synthesize("Die Zeit ist um.", language="de").duration_s != pytest.approx(english, 0.02)


def test_a_language_can_be_named_or_shown_by_its_script() -> None:
    assert language_named('Greet the caller in German, for example: "Hallo"') == "de"
    assert language_named("Greet the caller in a friendly way.") is None
    assert language_of_script("Привет, как дела?") == "ru"
    assert language_of_script("日本語です") == "ja"
    assert language_of_script("你好") == "cmn"
    assert language_of_script("Grüß Gott, señor") is None


def test_a_wave_of_unknown_length_is_read_to_its_end() -> None:
    recording = read_wave(streaming_header() + bytes(4_800))
    assert (len(recording.pcm), recording.rate_hz) == (4_800, 24_000)


def test_a_torn_header_is_no_wave() -> None:
    header = streaming_header()
    for size in range(len(header) - 8):
        with pytest.raises(NotAWave):
            read_wave(header[:size])
