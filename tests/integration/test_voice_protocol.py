"""The Realtime protocol of the local voice, event by event."""

import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from local.voice.persona import TOPICS
from tests.integration.voice_wire import VoiceProcess, Wire, running_voice, silence, spoken

JOKE = next(topic.answer for topic in TOPICS if "tell me a joke" in topic.phrases)
CREDIT_TOOL = {"type": "function", "name": "credit_left", "description": "", "parameters": {}}
CLIENT_TURNS = {"type": "realtime", "audio": {"input": {"turn_detection": None}}}


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[VoiceProcess]:
    async with running_voice() as process:
        yield process


@pytest_asyncio.fixture(loop_scope="module")
async def voice(server: VoiceProcess) -> AsyncIterator[VoiceProcess]:
    yield server
    await server.clear_faults()


async def transcribed(wire: Wire) -> None:
    """Ask for transcripts, as livekit-agents does."""
    transcription = {"transcription": {"model": "any"}}
    await wire.send("session.update", session={"audio": {"input": transcription}})
    await wire.until("session.updated")


def typed(words: str, **item: Any) -> dict[str, Any]:
    content = [{"type": "input_text", "text": words}]
    return {"type": "message", "role": "user", "content": content, **item}


async def test_session_updates_are_merged_key_by_key(voice: VoiceProcess) -> None:
    wire = await voice.open("model=some-model")
    await wire.send(
        "session.update", session={"type": "realtime", "audio": {"output": {"voice": "Rex"}}}
    )
    await wire.until("session.updated")
    await wire.send("session.update", session={"type": "realtime", "instructions": "Be kind."})
    session = (await wire.until("session.updated"))["session"]
    assert session["model"] == "some-model"
    assert session["instructions"] == "Be kind."
    assert session["audio"]["output"]["voice"] == "Rex"
    assert session["audio"]["output"]["format"] == {"type": "audio/pcm", "rate": 24_000}
    assert session["audio"]["input"]["turn_detection"] == {"type": "server_vad"}


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ("text", "session"),
        ({"type": "transcription"}, "session.type"),
        ({"audio": {"input": {"turn_detection": {"type": "magic"}}}}, "turn_detection.type"),
        (
            {"audio": {"input": {"turn_detection": {"type": "server_vad", "threshold": 2}}}},
            "turn_detection.threshold",
        ),
        ({"audio": {"input": {"format": {"type": "audio/pcmu"}}}}, "session.audio.format"),
        ({"audio": {"side": {}}}, "session.audio"),
        ({"tools": [{"type": "function"}]}, "session.tools"),
        ({"output_modalities": ["smell"]}, "session.output_modalities"),
    ],
)
async def test_a_bad_session_update_changes_nothing(
    voice: VoiceProcess, change: Any, param: str
) -> None:
    wire = await voice.open()
    await wire.send("session.update", event_id="e1", session=change)
    error = (await wire.until("error"))["error"]
    assert (error["param"], error["event_id"]) == (param, "e1")
    await wire.send("session.update", session={"type": "realtime"})
    after = await wire.until("session.updated")
    assert after["session"] == wire.seen[0]["session"]


async def test_a_greeting_is_the_whole_sequence_of_a_response(voice: VoiceProcess) -> None:
    wire = await voice.open()
    order = {"instructions": 'Be kind.\nGreet the caller: "Hello, it is me."'}
    metadata = {"client_event_id": "e1"}
    await wire.send("response.create", event_id="e1", response={**order, "metadata": metadata})
    done = (await wire.until("response.done"))["response"]
    assert wire.types() == [
        "session.created",
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.done",
    ]
    assert wire.of_type("response.created")[0]["response"]["metadata"] == metadata
    assert wire.transcript() == "Hello, it is me."
    assert 0.5 < len(wire.audio()) / 48_000 < 3.0
    assert done["status"] == "completed"
    content = done["output"][0]["content"]
    assert content == [{"type": "output_audio", "transcript": "Hello, it is me."}]
    usage = done["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert usage["output_token_details"]["audio_tokens"] > 10
    assert len({event["event_id"] for event in wire.seen}) == len(wire.seen)


async def test_an_empty_conversation_gets_a_greeting_without_being_told_one(
    voice: VoiceProcess,
) -> None:
    wire = await voice.open()
    await wire.send("response.create", response={"instructions": "Greet the caller."})
    await wire.until("response.done")
    assert wire.transcript().startswith("Hello, I am the demo voice")


async def test_orders_are_said_word_for_word_at_any_time(voice: VoiceProcess) -> None:
    wire = await voice.open()
    await wire.send("session.update", session={"instructions": 'Never say: "secret".'})
    await wire.send("conversation.item.create", item=typed("tell me a joke"))
    words = "One minute is left. Top up to go on."
    await wire.send(
        "response.create", response={"instructions": f'Never say: "secret".\nSay: "{words}"'}
    )
    await wire.until("response.done")
    assert wire.transcript() == words


async def test_quotes_in_the_session_s_instructions_are_no_order(voice: VoiceProcess) -> None:
    wire = await voice.open()
    await wire.send("session.update", session={"instructions": 'Never say: "secret".'})
    await wire.send("conversation.item.create", item=typed("tell me a joke"))
    instructions = 'Never say: "secret".\nBe funny.'
    await wire.send("response.create", response={"instructions": instructions})
    await wire.until("response.done")
    assert wire.transcript() == JOKE


async def test_audio_runs_ahead_of_its_listener_but_not_all_at_once(voice: VoiceProcess) -> None:
    wire = await voice.open()
    await wire.send("conversation.item.create", item=typed("count to twenty"))
    started_s = time.monotonic()
    await wire.send("response.create")
    await wire.until("response.done")
    took_s, audio_s = time.monotonic() - started_s, len(wire.audio()) / 48_000
    assert 10 < audio_s < 15
    assert 1.5 < took_s < audio_s / 2


async def test_an_interrupted_response_has_not_sent_what_it_did_not_say(
    voice: VoiceProcess,
) -> None:
    wire = await voice.open()
    await wire.send("conversation.item.create", item=typed("count to twenty"))
    await wire.send("response.create")
    await wire.until("response.output_audio.delta")
    await wire.send("response.cancel")
    done = (await wire.until("response.done"))["response"]
    assert done["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
    assert done["output"][0]["content"][0]["transcript"] == wire.transcript()
    assert 0.2 <= len(wire.audio()) / 48_000 < 3.0


async def test_each_created_item_is_added_where_it_was_asked_for(voice: VoiceProcess) -> None:
    # given the items a client replays after a reconnect: the first at the root
    wire = await voice.open()
    create = "conversation.item.create"
    await wire.send(create, previous_item_id="root", item=typed("one", id="a"))
    await wire.send(create, previous_item_id="a", item=typed("two", id="c"))
    await wire.send(create, previous_item_id="a", item=typed("between", id="b"))
    await wire.send(create, item=typed("last", id="d"))
    await wire.send(create, previous_item_id="root", item=typed("first", id="e"))
    await wire.send("conversation.item.delete", item_id="b")
    await wire.until("conversation.item.deleted")
    added = wire.of_type("conversation.item.added")
    assert [(event["item"]["id"], event["previous_item_id"]) for event in added] == [
        ("a", None),
        ("c", "a"),
        ("b", "a"),
        ("d", "c"),
        ("e", None),
    ]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"item": typed("x", id="a")}, "item_already_exists"),
        ({"item": typed("x"), "previous_item_id": "nowhere"}, "item_not_found"),
        ({"item": typed("x", role="ghost")}, "invalid_value"),
        ({"item": {"type": "function_call_output", "output": "1"}}, "invalid_value"),
        ({"item": None}, "invalid_value"),
    ],
)
async def test_an_item_that_cannot_be_added_is_refused_by_event_id(
    voice: VoiceProcess, fields: dict[str, Any], code: str
) -> None:
    wire = await voice.open()
    await wire.send("conversation.item.create", item=typed("one", id="a"))
    await wire.send("conversation.item.create", event_id="e2", **fields)
    error = (await wire.until("error"))["error"]
    assert (error["code"], error["event_id"]) == (code, "e2")


async def test_a_spoken_turn_is_heard_understood_and_answered(voice: VoiceProcess) -> None:
    wire = await voice.open()
    await transcribed(wire)
    wire.seen.clear()
    await wire.say("tell me a joke")
    await wire.until("response.done")
    assert wire.types()[:7] == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "conversation.item.input_audio_transcription.completed",
        "response.created",
    ]
    heard = wire.of_type("conversation.item.input_audio_transcription.completed")[0]
    assert heard["transcript"] == "tell me a joke"
    assert heard["usage"]["type"] == "duration"
    assert 1.0 < heard["usage"]["seconds"] < 3.0
    assert heard["item_id"] == wire.seen[0]["item_id"]
    assert wire.transcript() == JOKE


async def test_without_transcription_the_words_still_get_their_answer(
    voice: VoiceProcess,
) -> None:
    wire = await voice.open()
    await wire.say("tell me a joke")
    await wire.until("response.done")
    assert wire.of_type("conversation.item.input_audio_transcription.completed") == []
    assert wire.transcript() == JOKE


async def test_speech_that_is_no_phrase_gets_the_fallback(voice: VoiceProcess) -> None:
    wire = await voice.open()
    await transcribed(wire)
    await wire.say("could you please open the window for me")
    await wire.until("response.done")
    heard = wire.of_type("conversation.item.input_audio_transcription.completed")[0]
    assert heard["transcript"] == ""
    assert wire.transcript().startswith("Sorry, I did not catch that.")


async def test_a_caller_who_speaks_stops_the_response(voice: VoiceProcess) -> None:
    wire = await voice.open()
    await transcribed(wire)
    await wire.send("conversation.item.create", item=typed("tell me a story"))
    await wire.send("response.create")
    await wire.until("response.output_audio.delta")
    await wire.say("wait a moment")
    done = (await wire.until("response.done"))["response"]
    assert done["status"] == "cancelled"
    assert done["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    assert done["output"][0]["status"] == "incomplete"
    # and then gets an answer to what was said
    answer = (await wire.until("response.done"))["response"]
    assert answer["output"][0]["content"][0]["transcript"] == "Of course. I am listening."


async def test_turn_detection_can_leave_the_response_alone(voice: VoiceProcess) -> None:
    wire = await voice.open()
    detection = {"type": "server_vad", "create_response": False, "interrupt_response": False}
    await wire.send("session.update", session={"audio": {"input": {"turn_detection": detection}}})
    await wire.send("response.create", response={"instructions": 'Say: "One two three four."'})
    await wire.until("response.output_audio.delta")
    await wire.say("wait a moment")
    await wire.until("input_audio_buffer.committed")
    done = wire.of_type("response.done") or [await wire.until("response.done")]
    assert done[0]["response"]["status"] == "completed"
    await wire.send("response.cancel")
    await wire.until("error")
    assert len(wire.of_type("response.created")) == 1


async def test_semantic_turn_detection_works_as_server_vad(voice: VoiceProcess) -> None:
    wire = await voice.open()
    detection = {"type": "semantic_vad", "eagerness": "high"}
    await wire.send("session.update", session={"audio": {"input": {"turn_detection": detection}}})
    await wire.say("tell me a joke", pause_ms=500)
    await wire.until("response.done")
    assert wire.transcript() == JOKE


async def test_a_longer_silence_is_waited_for_when_asked(voice: VoiceProcess) -> None:
    wire = await voice.open()
    detection = {"type": "server_vad", "silence_duration_ms": 1500, "create_response": False}
    await wire.send("session.update", session={"audio": {"input": {"turn_detection": detection}}})
    await wire.say("tell me a joke", pause_ms=1_200)
    await wire.send("session.update", session={})
    await wire.until("session.updated")
    await wire.until("session.updated")
    assert wire.of_type("input_audio_buffer.speech_stopped") == []
    await wire.hear(silence(500))
    stopped = await wire.until("input_audio_buffer.speech_stopped")
    assert stopped["audio_end_ms"] > 2_500


async def test_a_client_can_take_turns_itself(voice: VoiceProcess) -> None:
    wire = await voice.open()
    await wire.send("session.update", session=CLIENT_TURNS)
    await transcribed(wire)
    await wire.say("how are you today")
    await wire.send("input_audio_buffer.commit")
    heard = await wire.until("conversation.item.input_audio_transcription.completed")
    assert heard["transcript"] == "how are you today"
    assert "input_audio_buffer.speech_started" not in wire.types()
    assert "response.created" not in wire.types()
    await wire.send("response.create")
    await wire.until("response.done")
    assert wire.transcript().startswith("I am very well")


async def test_committing_nothing_or_cleared_audio_is_an_error(voice: VoiceProcess) -> None:
    wire = await voice.open()
    await wire.send("session.update", session=CLIENT_TURNS)
    await wire.hear(spoken("goodbye"))
    await wire.send("input_audio_buffer.clear")
    await wire.until("input_audio_buffer.cleared")
    await wire.send("input_audio_buffer.commit", event_id="e1")
    error = (await wire.until("error"))["error"]
    assert (error["code"], error["event_id"]) == ("input_audio_buffer_commit_empty", "e1")


async def test_one_response_at_a_time(voice: VoiceProcess) -> None:
    wire = await voice.open()
    await wire.send("response.create", response={"instructions": 'Say: "One two three four."'})
    await wire.send("response.create", event_id="second")
    error = (await wire.until("error"))["error"]
    assert error["code"] == "conversation_already_has_active_response"
    assert error["event_id"] == "second"
    assert (await wire.until("response.done"))["response"]["status"] == "completed"


async def test_cancelling_nothing_fails_in_the_words_clients_ignore(voice: VoiceProcess) -> None:
    wire = await voice.open()
    await wire.send("response.cancel")
    error = (await wire.until("error"))["error"]
    assert error["message"].startswith("Cancellation failed")


async def test_cancelling_before_the_first_event_still_ends_the_response(
    voice: VoiceProcess,
) -> None:
    wire = await voice.open()
    await voice.faults(think_s=30)
    metadata = {"client_event_id": "e1"}
    await wire.send("response.create", response={"metadata": metadata})
    await wire.send("response.cancel")
    done = (await wire.until("response.done"))["response"]
    assert (done["status"], done["metadata"]) == ("cancelled", metadata)
    assert wire.types() == ["session.created", "response.created", "response.done"]


async def test_a_tool_is_called_and_its_result_spoken(voice: VoiceProcess) -> None:
    wire = await voice.open()
    await wire.send("session.update", session={"tools": [CREDIT_TOOL]})
    await wire.say("how much credit is left")
    done = (await wire.until("response.done"))["response"]
    call = done["output"][0]
    assert (call["type"], call["name"], call["arguments"]) == ("function_call", "credit_left", "{}")
    assert len(call["call_id"]) <= 32
    assert wire.of_type("response.output_item.done")[0]["item"] == call
    output = {"type": "function_call_output", "call_id": call["call_id"], "output": "90 seconds"}
    await wire.send("conversation.item.create", item=output)
    await wire.send("response.create", response={"tool_choice": "none"})
    await wire.until("response.done")
    assert wire.transcript() == "90 seconds"


async def test_a_forbidden_tool_is_not_called(voice: VoiceProcess) -> None:
    wire = await voice.open()
    await wire.send("session.update", session={"tools": [CREDIT_TOOL], "tool_choice": "none"})
    await wire.say("how much credit is left")
    await wire.until("response.done")
    assert wire.transcript() == "I cannot see your balance in this call. The call page shows it."


async def test_a_text_session_gets_text(voice: VoiceProcess) -> None:
    wire = await voice.open()
    await wire.send("conversation.item.create", item=typed("Tell me a joke!"))
    await wire.send("response.create", response={"output_modalities": ["text"]})
    done = (await wire.until("response.done"))["response"]
    assert done["output"][0]["content"] == [{"type": "output_text", "text": JOKE}]
    assert wire.audio() == b""


async def test_a_response_outside_of_the_conversation_leaves_no_trace(
    voice: VoiceProcess,
) -> None:
    wire = await voice.open()
    await wire.order("Nobody heard this.", conversation="none")
    assert "conversation.item.added" not in wire.types()
    await wire.send("conversation.item.create", item=typed("tell me a joke", id="a"))
    assert (await wire.until("conversation.item.added"))["previous_item_id"] is None


async def test_truncating_answers_and_an_unknown_item_is_refused(voice: VoiceProcess) -> None:
    wire = await voice.open()
    done = await wire.order("One two three four five six seven eight.")
    item_id = done["response"]["output"][0]["id"]
    where = {"item_id": item_id, "content_index": 0}
    await wire.send("conversation.item.truncate", **where, audio_end_ms=900)
    truncated = await wire.until("conversation.item.truncated")
    assert (truncated["item_id"], truncated["audio_end_ms"]) == (item_id, 900)
    await wire.send("conversation.item.truncate", item_id="gone", audio_end_ms=1)
    assert (await wire.until("error"))["error"]["code"] == "item_not_found"


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("{not json", "the message is not JSON"),
        ("[" * 100_000, "the message is not JSON"),
        ("[]", "an event must be an object"),
        ("{}", "type must be a string"),
        ('{"type": "session.explode"}', "unknown event type"),
        ('{"type": "input_audio_buffer.append", "audio": "%%"}', "audio must be base64"),
        ('{"type": "input_audio_buffer.append", "audio": "AAAA"}', "audio must be whole"),
        ('{"type": "input_audio_buffer.append"}', "audio must be base64"),
        ('{"type": "response.create", "response": 7}', "response must be an object"),
        ('{"type": "conversation.item.truncate", "item_id": "x"}', "audio_end_ms must be"),
    ],
)
async def test_a_hostile_message_gets_an_error_and_the_session_lives_on(
    voice: VoiceProcess, message: str, said: str
) -> None:
    wire = await voice.open()
    await wire.socket.send_str(message)
    error = (await wire.until("error"))["error"]
    assert error["message"].startswith(said)
    await wire.order("Still here.")
    assert wire.transcript() == "Still here."


async def test_binary_messages_are_refused(voice: VoiceProcess) -> None:
    wire = await voice.open()
    await wire.socket.send_bytes(b"\x00")
    assert (await wire.until("error"))["error"]["message"] == "send JSON as text"


async def test_a_message_over_the_limit_closes_the_socket(voice: VoiceProcess) -> None:
    wire = await voice.open()
    await wire.socket.send_str("x" * (2 * 2**20 + 1))
    assert (await wire.ended()).data == aiohttp.WSCloseCode.MESSAGE_TOO_BIG


async def test_hours_of_silence_are_not_kept(voice: VoiceProcess) -> None:
    # given client turns, where a client sends silence on and on before it commits
    wire = await voice.open()
    await wire.send("session.update", session=CLIENT_TURNS)
    await transcribed(wire)
    for _ in range(70):
        await wire.hear(silence(1_000))
    await wire.send("input_audio_buffer.commit")
    heard = await wire.until("conversation.item.input_audio_transcription.completed")
    assert heard["usage"]["seconds"] == 65.0
    assert heard["transcript"] == ""
