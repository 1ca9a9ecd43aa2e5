"""POST /api/clone-voice: upstream's refusals, and uploads that mean harm."""

import asyncio
import gzip
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from control_plane.boundary import UPLOAD_BYTES_MAX
from control_plane.cloning.errors import TooManyUploads
from control_plane.cloning.upload import FIELDS_MAX, FILE_BYTES_MAX
from control_plane.cloning.upload_gate import UploadGate
from tests import builders
from tests.integration.consenting import (
    clone,
    cloning_settings,
    consent,
    reference,
    voice_url,
    wav,
    web,
)
from tests.web_process import Caller, Media, Web, running_web, unused_port, web_settings

__all__ = ["voice_url", "web"]

SECOND = 24_000


def encoded(container: str, codec: str, *, seconds: float, loud: bool = True) -> bytes:
    """A recording in another form: a hum, or silence."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        rate_hz = 48_000 if codec == "libopus" else SECOND
        stream = output.add_stream(codec, rate=rate_hz)
        assert isinstance(stream, av.AudioStream)
        stream.layout = "mono"
        place = np.arange(int(seconds * rate_hz))
        samples = (np.sin(place / 9) * 9_000 * loud).astype("<i2")
        for start in range(0, len(samples), SECOND):
            frame = av.AudioFrame.from_ndarray(
                samples[start : start + SECOND].reshape(1, -1), format="s16", layout="mono"
            )
            frame.sample_rate = rate_hz
            frame.pts = start
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return file.getvalue()


def zip_bomb() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("me.wav", bytes(50_000_000))
    return file.getvalue()


async def refused(web: Web, caller: Caller, **fields: Any) -> dict[str, Any]:
    """The body of a refusal, which changed nothing."""
    before = await state_of(web)
    answer = await clone(caller, **fields)
    body: dict[str, Any] = answer.json()
    assert answer.status_code == body["status"], answer.text
    assert body.keys() == {"code", "details", "error", "serverMessage", "status"}
    assert body["error"] == f"{body['serverMessage']} ({body['status']})"
    assert await state_of(web) == before
    return body


async def state_of(web: Web) -> tuple[dict[str, str], int]:
    rows = "select count(*) from clone_references"
    return await builders.fingerprint(web.db), await web.db.fetchval(rows)


REFUSALS: dict[str, tuple[dict[str, Any], int, str, dict[str, Any] | None]] = {
    "no text": ({"text": None}, 400, "errors.missingRequiredParameters", {"missing": "text"}),
    "blank text": ({"text": " \n"}, 400, "errors.missingRequiredParameters", {"missing": "text"}),
    "no bytes": ({"recording": b""}, 400, "errors.missingRequiredParameters", {"missing": "file"}),
    "no locale": ({"locale": None}, 400, "errors.missingLocale", None),
    "unknown locale": ({"locale": "xyz"}, 400, "errors.unsupportedLocale", {"locale": "xyz"}),
    "long text": ({"text": "a" * 1_001}, 400, "errors.textTooLong", {"MAX": 1_000}),
    "emoji count two": ({"text": "\U0001f600" * 501}, 400, "errors.textTooLong", {"MAX": 1_000}),
    "long text, few languages": (
        {"text": "a" * 301, "locale": "ja"},
        400,
        "errors.textTooLong",
        {"MAX": 300},
    ),
    "wrong type": (
        {"media_type": "image/png"},
        400,
        "errors.invalidFileType",
        {"mimeType": "image/png"},
    ),
    "too large": (
        {"recording": bytes(FILE_BYTES_MAX + 1)},
        413,
        "errors.fileTooLarge",
        {"MAX_BYTES": 4_718_592, "MAX_MB": 4.5},
    ),
    "beyond the boundary": (
        {"recording": bytes(UPLOAD_BYTES_MAX)},
        413,
        "errors.fileTooLarge",
        None,
    ),
    "type before size": (
        {"recording": bytes(FILE_BYTES_MAX + 1), "media_type": "text/plain"},
        400,
        "errors.invalidFileType",
        {"mimeType": "text/plain"},
    ),
    "webm": (
        {"media_type": "Audio/WebM; codecs=opus"},
        400,
        "errors.audioConversionRequiredWebm",
        {"mimeType": "audio/webm"},
    ),
    "webm under another name": (
        {"recording": b"\x1aE\xdf\xa3" + bytes(500), "media_type": "audio/ogg"},
        400,
        "errors.audioConversionRequiredWebm",
        {"mimeType": "audio/ogg"},
    ),
    "too short": (
        {"recording": reference(2.9)},
        400,
        "errors.audioDurationInvalidVoxtral",
        {"MIN": 3},
    ),
    "too short, few languages": (
        {"recording": reference(9.9), "locale": "ja"},
        400,
        "errors.audioDurationInvalidFallback",
        {"MIN": 10},
    ),
    "silence": (
        {"recording": wav(bytes(5 * SECOND * 2))},
        400,
        "errors.audioDurationInvalidVoxtral",
        {"MIN": 3},
    ),
    "a lie: text": (
        {"recording": b"I am a recording. " * 99, "media_type": "audio/mpeg"},
        400,
        "errors.unsupportedAudioFormat",
        {"mimeType": "audio/mpeg"},
    ),
    "a lie: zip bomb": (
        {"recording": zip_bomb(), "media_type": "audio/wav"},
        400,
        "errors.unsupportedAudioFormat",
        {"mimeType": "audio/wav"},
    ),
    "a lie: a playlist": (
        {"recording": b"#EXTM3U\nfile:///etc/passwd\n", "media_type": "audio/mpeg"},
        400,
        "errors.unsupportedAudioFormat",
        {"mimeType": "audio/mpeg"},
    ),
    "a header and no audio": (
        {"recording": reference(5)[:44]},
        400,
        "errors.unsupportedAudioFormat",
        {"mimeType": "audio/wav"},
    ),
    "a decoder bomb": (
        {
            "recording": encoded("flac", "flac", seconds=3_600, loud=False),
            "media_type": "audio/flac",
        },
        400,
        "errors.audioConversionFailed",
        {"mimeType": "audio/flac"},
    ),
}


@pytest.mark.parametrize("case", REFUSALS.keys())
async def test_a_refusal_has_upstream_s_code_and_changes_nothing(web: Web, case: str) -> None:
    fields, status, code, details = REFUSALS[case]
    caller = await web.account()
    given = await consent(caller)
    body = await refused(web, caller, consentId=given, **fields)
    assert (body["status"], body["code"]) == (status, code)
    assert body["details"] == details


async def test_who_has_paid_may_say_more(web: Web) -> None:
    caller = await web.account(paid=True)
    given = await consent(caller)
    body = await refused(web, caller, consentId=given, text="a" * 4_001)
    assert body["details"] == {"MAX": 4_000}
    answer = await clone(caller, consentId=given, text="Well. " * 200)
    assert answer.status_code == 200, answer.text


async def test_upstream_s_order_of_checks(web: Web) -> None:
    """Session, content type, fields, type, size, locale, text, consent, credit, audio."""
    nobody = await web.client.post("/api/clone-voice", content=b"x")
    assert (nobody.status_code, nobody.json()["code"]) == (401, "errors.userNotFound")
    caller = await web.account(balance=0)
    bare = await caller.post("/api/clone-voice", json.dumps({"text": "Hello"}))
    assert (bare.status_code, bare.json()["code"]) == (400, "errors.invalidContentType")
    given = await consent(caller)
    broken = {"recording": b"no audio", "consentId": None, "locale": "xyz", "text": "a" * 9_999}
    order: list[tuple[dict[str, Any], str]] = [
        ({}, "errors.unsupportedLocale"),
        ({"locale": "en"}, "errors.textTooLong"),
        ({"text": "Hello"}, "errors.consentRequired"),
        ({"consentId": given}, "errors.insufficientCredits"),
    ]
    for repaired, code in order:
        broken |= repaired
        assert (await refused(web, caller, **broken))["code"] == code


@pytest.mark.parametrize(
    ("container", "codec", "media_type"),
    [
        ("mp3", "libmp3lame", "audio/mpeg"),
        ("ogg", "libopus", "audio/ogg"),
        ("ogg", "libopus", "application/octet-stream"),
        ("flac", "flac", "audio/wav"),  # the content counts
        ("ipod", "aac", "audio/x-m4a"),
        ("wav", "pcm_s16le", "audio/x-wav"),
    ],
)
async def test_what_people_record_with_is_understood(
    web: Web, container: str, codec: str, media_type: str
) -> None:
    caller = await web.account()
    recording = encoded(container, codec, seconds=4)
    given = await consent(caller)
    answer = await clone(caller, consentId=given, recording=recording, media_type=media_type)
    assert answer.status_code == 200, answer.text


async def test_a_long_recording_is_trimmed_to_what_the_engine_takes(web: Web) -> None:
    caller = await web.account()
    long = encoded("mp3", "libmp3lame", seconds=120)
    given = await consent(caller)
    for locale, seconds in (("en", 25), ("ja", 10)):
        answer = await clone(
            caller, consentId=given, recording=long, media_type="audio/mpeg", locale=locale
        )
        assert answer.status_code == 200, answer.text
        key = await web.db.fetchval(
            "select reference_key from voices where consent_id = $1 and language = $2",
            given,
            locale,
        )
        size = (Path(web.settings.objects_dir) / key).stat().st_size
        assert abs(size - seconds * SECOND * 2) < 2_000


@pytest.mark.parametrize("kept", [0.05, 0.3, 0.9, 0.999])
async def test_a_truncated_recording_is_used_or_refused(web: Web, kept: float) -> None:
    caller = await web.account()
    given = await consent(caller)
    for container, codec in (("mp3", "libmp3lame"), ("flac", "flac"), ("ipod", "aac")):
        whole = encoded(container, codec, seconds=8)
        answer = await clone(
            caller,
            consentId=given,
            recording=whole[: int(len(whole) * kept)],
            media_type="application/octet-stream",
        )
        assert answer.status_code in {200, 400}, answer.text


@pytest.mark.parametrize(
    "name",
    [
        "../../../etc/passwd",
        "/etc/shadow",
        "..\\..\\boot.ini",
        "con\x01\x02.wav",
        "a" * 1_000,
        "😀;rm -rf.wav",
    ],
    ids=["up", "absolute", "backslash", "control", "long", "emoji"],
)
async def test_the_name_of_a_file_names_nothing(web: Web, name: str) -> None:
    caller = await web.account()
    given = await consent(caller)
    answer = await clone(caller, consentId=given, file_name=name)
    assert answer.status_code == 200, answer.text
    row = await web.db.fetchrow(
        "select name, reference_key from voices where consent_id = $1", given
    )
    assert row is not None
    assert row["name"].startswith("clone-")
    parts = row["reference_key"].split("/")
    assert [len(part) for part in parts] == [len("references"), 2, 64 + len(".wav")]


async def raw(caller: Caller, body: bytes, **headers: str) -> Any:
    return await caller.web.client.post(
        "/api/clone-voice", content=body, headers={**caller.headers, **headers}
    )


def part(name: str, value: bytes, *, extra: bytes = b"") -> bytes:
    head = b'--b\r\nContent-Disposition: form-data; name="' + name.encode() + b'"' + extra
    return head + b"\r\n\r\n" + value + b"\r\n"


FORMS: dict[str, bytes] = {
    "nothing": b"",
    "no end": part("text", b"Hello"),
    "many fields": b"".join(part(f"f{n}", b"x") for n in range(FIELDS_MAX + 1)) + b"--b--\r\n",
    "very many parts": b"".join(part("text", b"") for _ in range(50_000)) + b"--b--\r\n",
    "two files": b"".join(
        part("file", b"x", extra=b'; filename="a.wav"\r\nContent-Type: audio/wav') for _ in "ab"
    )
    + b"--b--\r\n",
    "a huge field": part("text", b"a" * 100_000) + b"--b--\r\n",
    "a part without a name": b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n",
    "a part with a strange alphabet": part("text", b"\xff\xfe\x80") + b"--b--\r\n",
    "long headers": b"--b\r\n" + b"X-A: " + b"a" * 200_000 + b"\r\n\r\nx\r\n--b--\r\n",
    "text as a file": part("text", b"x", extra=b'; filename="t"') + b"--b--\r\n",
    "compressed": gzip.compress(part("text", b"Hello") + b"--b--\r\n"),
}


@pytest.mark.parametrize("case", FORMS.keys())
async def test_a_broken_form_is_a_refusal(web: Web, case: str) -> None:
    caller = await web.account()
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = await raw(caller, FORMS[case], **headers)
    assert answer.status_code == 400, answer.text
    assert answer.json()["code"].startswith("errors.")


async def test_a_form_without_or_with_a_strange_boundary(web: Web) -> None:
    caller = await web.account()
    for header in (
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=" + "b" * 5_000,
        "multipart/form-data; boundary=b; charset=nothing-known",
    ):
        answer = await raw(caller, part("text", b"x") + b"--b--\r\n", **{"Content-Type": header})
        assert answer.status_code == 400, header


async def test_no_engine_and_an_engine_that_is_away(
    db_dsn: str, no_media: Media, voice_url: str
) -> None:
    nowhere = f"http://127.0.0.1:{unused_port()}/v1"
    for url in (None, nowhere):
        changes = cloning_settings(voice_url, local_voice_url=url)
        async with running_web(web_settings(db_dsn, no_media, **changes)) as web:
            caller = await web.account()
            given = await consent(caller)
            answer = await clone(caller, consentId=given)
            assert (answer.status_code, answer.json()["code"]) == (
                503,
                "errors.providerUnavailable",
            )
            assert answer.json()["details"]["provider"]
            assert await web.db.fetchval("select sum(reserved) from credits") == 0
            assert await builders.violations(web.db) == []


async def test_a_thousand_small_uploads_at_once_are_all_answered(web: Web) -> None:
    caller = await web.account()
    given = await consent(caller)
    short = wav(np.sin(np.arange(SECOND) / 9).astype("<i2").tobytes())
    answers = await asyncio.gather(
        *(clone(caller, consentId=given, recording=short) for _ in range(1_000))
    )
    assert {answer.status_code for answer in answers} == {400}
    assert {answer.json()["code"] for answer in answers} == {"errors.audioDurationInvalidVoxtral"}
    assert (await clone(caller, consentId=given)).status_code == 200


async def test_the_gate_holds_uploads_back_and_ends_a_queue_that_is_too_long() -> None:
    gate = UploadGate(uploads_max=2, waiting_max=3, wait_s=0.05)
    inside, most = 0, 0
    leave = asyncio.Event()

    async def upload() -> bool:
        nonlocal inside, most
        try:
            async with gate.place():
                inside += 1
                most = max(most, inside)
                await leave.wait()
                inside -= 1
        except TooManyUploads:
            return False
        return True

    uploads = [asyncio.create_task(upload()) for _ in range(8)]
    done, _ = await asyncio.wait(uploads, timeout=5, return_when=asyncio.FIRST_COMPLETED)
    assert done
    await asyncio.wait(uploads, timeout=0.5)
    leave.set()
    outcomes = await asyncio.gather(*uploads)
    assert (most, outcomes.count(True)) == (2, 2)
    async with gate.place():
        pass
