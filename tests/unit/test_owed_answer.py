"""What is owed to a caller when the model's session breaks, moment by moment."""

from collections.abc import Mapping

from agent.engines.unheard_audio import CHUNKS_MAX, IDLE_CHUNKS, UnheardAudio
from agent.owed_answer import Due, OwedAnswer

STARTED = {"type": "input_audio_buffer.speech_started", "item_id": "u1"}
STOPPED = {"type": "input_audio_buffer.speech_stopped", "item_id": "u1"}
CREATED = {"type": "response.created", "response": {"id": "r1"}}
DONE = {"type": "response.done", "response": {"status": "completed"}}
FAILED = {"type": "response.done", "response": {"status": "failed"}}
CANCELLED = {"type": "response.done", "response": {"status": "cancelled"}}


def heard(words: str) -> dict[str, str]:
    kind = "conversation.item.input_audio_transcription.completed"
    return {"type": kind, "item_id": "u1", "transcript": words}


def said(words: str) -> dict[str, str]:
    return {"type": "response.output_audio_transcript.delta", "delta": words}


def owed_after(*events: Mapping[str, object]) -> Due | None:
    owed = OwedAnswer()
    for event in events:
        owed.event(event)
    return owed.due()


def test_in_a_pause_nothing_is_owed() -> None:
    assert owed_after() is None
    assert owed_after(STARTED, STOPPED, heard("hello"), CREATED, said("Hi."), DONE) is None


def test_words_that_were_not_understood_yet_are_sent_as_sound_again() -> None:
    assert owed_after(STARTED) is None
    assert owed_after(STARTED, STOPPED) is None
    assert owed_after(STARTED, STOPPED, CREATED, said("Hi")) is None


def test_a_question_without_an_answer_is_answered() -> None:
    assert owed_after(STARTED, STOPPED, heard("hello")) == Due()
    assert owed_after(STARTED, STOPPED, heard("hello"), CREATED) == Due()


def test_a_cough_is_not() -> None:
    assert owed_after(STARTED, STOPPED, heard(" ")) is None


def test_an_answer_that_broke_off_goes_on_after_its_last_word() -> None:
    events = (STARTED, STOPPED, heard("a story"), CREATED, said("Once "), said("there was"))
    assert owed_after(*events) == Due(words="Once there was")


def test_words_that_become_known_after_the_answer_to_them_are_not_answered_again() -> None:
    events = (STARTED, STOPPED, CREATED, said("Hi."), DONE, heard("hello"))
    assert owed_after(*events) is None
    assert owed_after(*events, STARTED, STOPPED, heard("and you?")) == Due()
    assert owed_after(STARTED, STOPPED, CREATED, FAILED, heard("hello")) == Due()


def test_a_failed_answer_is_owed_and_a_cancelled_one_is_not() -> None:
    assert owed_after(STARTED, STOPPED, heard("hello"), CREATED, FAILED) == Due()
    assert owed_after(STARTED, STOPPED, heard("hello"), CREATED, said("Hi"), CANCELLED) is None


def test_an_interrupted_answer_is_not_taken_up_again() -> None:
    first = (STARTED, STOPPED, heard("a story"), CREATED, said("Once there was"))
    assert owed_after(*first, STARTED, CANCELLED, STOPPED, heard("stop")) == Due()


def test_what_we_asked_for_is_asked_for_again_until_it_was_said() -> None:
    owed = OwedAnswer()
    owed.ordered("Greet.")
    assert owed.due() == Due(instructions="Greet.")
    owed.event(CREATED)
    owed.event(said("Hello, I"))
    assert owed.due() == Due(instructions="Greet.")
    owed.event(CREATED)
    owed.event(DONE)
    assert owed.due() is None


def chunks(
    audio: UnheardAudio, first: int, count: int, *, is_provider_alive: bool = True
) -> list[str]:
    for number in range(first, first + count):
        if is_provider_alive:
            audio.sign_of_life()
        audio.add(str(number))
    return list(audio.chunks())


def test_a_silent_line_keeps_one_second() -> None:
    newest = range(100 - IDLE_CHUNKS - 1, 100)
    assert chunks(UnheardAudio(), 0, 100) == [str(n) for n in newest]


def test_what_a_silent_provider_was_sent_is_kept() -> None:
    audio = UnheardAudio()
    chunks(audio, 0, 50)
    kept = chunks(audio, 50, 70, is_provider_alive=False)
    assert set(map(str, range(50, 120))) <= set(kept)
    audio.sign_of_life()
    assert len(chunks(audio, 120, 1)) <= IDLE_CHUNKS + 1


def test_a_turn_is_kept_with_its_beginning_until_its_words_are_known() -> None:
    audio = UnheardAudio()
    chunks(audio, 0, 20)
    audio.turn_began()
    chunks(audio, 20, 30)
    audio.turn_ended()
    assert chunks(audio, 50, 5) == [str(n) for n in range(20 - IDLE_CHUNKS - 1, 55)]
    audio.turn_known()
    assert list(audio.chunks()) == [str(n) for n in range(50, 55)], "what came after the turn"


def test_an_endless_turn_keeps_its_newest_part() -> None:
    audio = UnheardAudio()
    audio.turn_began()
    kept = chunks(audio, 0, CHUNKS_MAX + 7)
    assert (len(kept), kept[0]) == (CHUNKS_MAX, "7")
