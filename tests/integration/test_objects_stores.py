"""The store of objects: the same tests in a folder and in a bucket of a real S3 server."""

import asyncio
import logging
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
import pytest_asyncio
from moto.server import ThreadedMotoServer

from control_plane.objects.opening import open_objects
from control_plane.objects.port import ObjectGone, ObjectStore, StorageAway
from control_plane.objects.settings import ObjectSettings
from tests.web_process import unused_port

BUCKET = "speech"
KEY = "speech/ab/abcdef.wav"
AUDIO = bytes(range(256)) * 400
LINK_SECRET = "a secret of these tests for links to audio"


def s3_settings(endpoint: str, **changes: Any) -> ObjectSettings:
    return ObjectSettings.model_validate(
        {
            "objects_bucket": BUCKET,
            "aws_access_key_id": "key",
            "aws_secret_access_key": "secret",
            "aws_region": "us-east-1",
            "aws_endpoint_url": endpoint,
            **changes,
        }
    )


def folder_settings(folder: Path) -> ObjectSettings:
    return ObjectSettings.model_validate(
        {
            "objects_bucket": None,
            "objects_dir": folder,
            "object_link_secret": LINK_SECRET,
            "public_url": "http://web.test",
        }
    )


@dataclass(frozen=True, slots=True)
class Bucket:
    """A server of its own with one empty bucket."""

    server: ThreadedMotoServer
    url: str


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    httpx2.post(f"{url}/moto-api/reset").raise_for_status()
    authorization = "AWS4-HMAC-SHA256 Credential=key/20200101/us-east-1/s3/aws4_request"
    made = httpx2.put(f"{url}/{BUCKET}", headers={"Authorization": authorization})
    made.raise_for_status()
    yield Bucket(server, url)
    server.stop()


@pytest.fixture(params=["folder", "bucket"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectSettings:
    if request.param == "folder":
        return folder_settings(tmp_path / "objects")
    found: Bucket = request.getfixturevalue("bucket")
    return s3_settings(found.url)


@pytest_asyncio.fixture
async def objects(kept: ObjectSettings) -> ObjectStore:
    return open_objects(kept)


async def test_what_was_put_is_read(objects: ObjectStore) -> None:
    await objects.put(KEY, AUDIO, media_type="audio/wav")
    assert await objects.read(KEY) == AUDIO
    assert b"".join([piece async for piece in objects.stream(KEY)]) == AUDIO


async def test_a_second_put_takes_the_place_of_the_first(objects: ObjectStore) -> None:
    await objects.put(KEY, AUDIO, media_type="audio/wav")
    await objects.put(KEY, b"", media_type="audio/wav")
    assert await objects.read(KEY) == b""


async def test_what_is_gone_is_gone_and_may_be_deleted_again(objects: ObjectStore) -> None:
    other = "speech/cd/other.wav"
    for key in (KEY, other):
        await objects.put(key, AUDIO, media_type="audio/wav")
    await objects.delete([KEY])
    await objects.delete([KEY, "speech/never/was.wav"])
    await objects.delete([])

    with pytest.raises(ObjectGone):
        await objects.read(KEY)
    with pytest.raises(ObjectGone):
        await anext(aiter(objects.stream(KEY)))
    assert await objects.read(other) == AUDIO


async def test_a_hundred_are_deleted_at_once(objects: ObjectStore) -> None:
    keys = [f"speech/ab/{number}.wav" for number in range(100)]
    await asyncio.gather(*(objects.put(key, b"x", media_type="audio/wav") for key in keys[::2]))
    await objects.delete(keys)
    for key in keys[:4]:
        with pytest.raises(ObjectGone):
            await objects.read(key)


async def test_fifty_of_a_megabyte_are_written_and_read_together(objects: ObjectStore) -> None:
    bodies = {f"speech/{number}.wav": os.urandom(1_000_000) for number in range(50)}

    async def there_and_back(key: str) -> bool:
        await objects.put(key, bodies[key], media_type="audio/wav")
        return await objects.read(key) == bodies[key]

    assert all(await asyncio.gather(*map(there_and_back, bodies)))


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/etc/passwd",
        "../outside.wav",
        "speech/../../outside.wav",
        "speech//a.wav",
        "speech/.hidden",
        "speech/./a.wav",
        "speech/a.wav/",
        "speech/a\0.wav",
        "speech/a\n.wav",
        "speech/%2e%2e/a.wav",
        "speech/ä.wav",
        "a" * 201,
        "/".join(["a" * 100] * 6),
    ],
)
async def test_no_key_leads_out_of_the_store(objects: ObjectStore, key: str) -> None:
    with pytest.raises(ValueError, match="key"):
        await objects.put(key, AUDIO, media_type="audio/wav")
    with pytest.raises(ValueError, match="key"):
        await objects.read(key)
    with pytest.raises(ValueError, match="key"):
        await objects.delete([key])
    with pytest.raises(ValueError, match="key"):
        await objects.link(key, expires_in_s=60, media_type="audio/wav")


@pytest.mark.parametrize("expires_in_s", [0, -1, 7 * 24 * 3600 + 1])
async def test_no_link_lasts_for_ever_or_not_at_all(
    objects: ObjectStore, expires_in_s: int
) -> None:
    with pytest.raises(ValueError, match="seconds"):
        await objects.link(KEY, expires_in_s=expires_in_s, media_type="audio/wav")


async def test_a_link_to_the_bucket_is_opened_by_anybody_until_its_end(bucket: Bucket) -> None:
    objects = open_objects(s3_settings(bucket.url))
    await objects.put(KEY, AUDIO, media_type="audio/wav")
    link = await objects.link(KEY, expires_in_s=60, media_type="audio/wav")

    async with httpx2.AsyncClient() as anybody:
        answer = await anybody.get(link)
        part = await anybody.get(link, headers={"Range": "bytes=10-19"})

    assert urlsplit(link).path == f"/{BUCKET}/{KEY}"
    assert "X-Amz-Expires=60" in link
    assert (answer.status_code, answer.content) == (200, AUDIO)
    assert answer.headers["content-type"] == "audio/wav"
    assert (part.status_code, part.content) == (206, AUDIO[10:20])


async def test_storage_that_went_away_is_said_soon(bucket: Bucket) -> None:
    objects = open_objects(s3_settings(bucket.url))
    await objects.put(KEY, AUDIO, media_type="audio/wav")
    bucket.server.stop()
    await assert_away(objects)


async def test_storage_that_never_was_there_is_said_soon() -> None:
    await assert_away(open_objects(s3_settings(f"http://127.0.0.1:{unused_port()}")))


async def test_storage_that_fails_is_said_soon(bucket: Bucket) -> None:
    """No such bucket: everything answers 404, but not because of the key."""
    objects = open_objects(s3_settings(bucket.url, objects_bucket="another"))
    with pytest.raises(StorageAway):
        await objects.put(KEY, AUDIO, media_type="audio/wav")


async def test_storage_that_says_nothing_is_given_up() -> None:
    async def silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    objects = open_objects(s3_settings(f"http://127.0.0.1:{port}"))
    began = time.monotonic()
    with pytest.raises(StorageAway):
        await objects.put(KEY, AUDIO, media_type="audio/wav")
    assert time.monotonic() - began < 22
    server.close()


async def test_a_folder_that_cannot_be_written_is_storage_that_is_away(tmp_path: Path) -> None:
    objects = open_objects(folder_settings(tmp_path / "objects"))
    (tmp_path / "objects" / "speech").write_text("a file where a folder must be")
    with pytest.raises(StorageAway):
        await objects.put(KEY, AUDIO, media_type="audio/wav")


async def assert_away(objects: ObjectStore) -> None:
    began = time.monotonic()
    with pytest.raises(StorageAway):
        await objects.put(KEY, AUDIO, media_type="audio/wav")
    with pytest.raises(StorageAway):
        await objects.read(KEY)
    with pytest.raises(StorageAway):
        await objects.delete([KEY])
    assert time.monotonic() - began < 12


async def test_a_folder_is_nobody_elses(tmp_path: Path) -> None:
    open_objects(folder_settings(tmp_path / "objects"))
    assert (tmp_path / "objects").stat().st_mode & 0o777 == 0o700


async def test_a_killed_writer_leaves_the_old_object(tmp_path: Path) -> None:
    """Nothing of a write is at its place before all of it is."""
    folder = tmp_path / "objects"
    objects = open_objects(folder_settings(folder))
    await objects.put(KEY, b"old", media_type="audio/wav")
    writing = asyncio.create_task(objects.put(KEY, bytes(50_000_000), media_type="audio/wav"))
    seen = set()
    while not writing.done():
        seen.add((folder / KEY).stat().st_size)
        await asyncio.sleep(0)
    assert seen <= {3, 50_000_000}
