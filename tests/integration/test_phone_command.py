"""`python -m control_plane.phone` against real livekit-servers: its words, and its exit codes."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from livekit import api, rtc

from tests.integration.phone_media import KEY, OURS, SECRET, phone_command, phone_media
from tests.web_process import Media

pytestmark = pytest.mark.asyncio(loop_scope="module")

PASSWORD = "hunter22-and-more"
OFF = "outbound calls are off"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def media(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Media]:
    async with phone_media(tmp_path_factory.mktemp("command")) as running:
        yield running


async def test_it_shows_then_does_then_has_nothing_to_do(media: Media) -> None:
    planned = await phone_command(media, "diff")
    assert (planned.code, planned.err) == (2, "")
    lines = planned.out.splitlines()
    assert lines[:2] == ["create trunk sexycall", "create rule sexycall"]
    assert lines[2].startswith(OFF)
    done = await phone_command(media, "apply")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[:2] == lines[:2]
    for verb in ("diff", "apply"):
        again = await phone_command(media, verb)
        assert (again.code, again.err) == (0, "")
        assert again.out.splitlines()[0] == "nothing to do"


async def test_passwords_are_never_printed(media: Media) -> None:
    secret = {"PHONE_TRUNK_USER": "user", "PHONE_TRUNK_PASSWORD": PASSWORD}
    for verb in ("diff", "apply", "diff"):
        said = await phone_command(media, verb, **secret)
        assert PASSWORD not in said.out + said.err
    changed = await phone_command(
        media, "diff", PHONE_TRUNK_USER="user", PHONE_TRUNK_PASSWORD="another one"
    )
    assert changed.code == 2
    assert "auth_password" in changed.out
    assert PASSWORD not in changed.out + changed.err, "nor the one that is there"
    assert "another one" not in changed.out + changed.err
    await phone_command(media, "apply")


async def test_a_number_that_another_trunk_has_is_refused(media: Media) -> None:
    taken = "+49305550177"
    async with media.api() as livekit:
        other = await livekit.sip.create_inbound_trunk(
            api.CreateSIPInboundTrunkRequest(
                trunk=api.SIPInboundTrunkInfo(name="somebody-else", numbers=[taken])
            )
        )
        said = await phone_command(media, "apply", PHONE_NUMBERS=taken)
        await livekit.sip.delete_trunk(api.DeleteSIPTrunkRequest(sip_trunk_id=other.sip_trunk_id))
    assert said.code == 1
    assert said.err == f"trunk somebody-else has {taken}, too\n"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"PHONE_NUMBERS": ""}, "no numbers"),
        ({"PHONE_ALLOWED_ADDRESSES": "0.0.0.0/0"}, "half the world"),
        ({"LIVEKIT_API_SECRET": "x" * 40}, "does not know LIVEKIT_API_KEY"),
        ({"LIVEKIT_URL": "ws://127.0.0.1:9"}, "did not answer"),
        ({"LIVEKIT_URL": ""}, "missing or wrong settings: LIVEKIT_URL"),
        ({"PHONE_OPERATOR_NUMBER": "110"}, "missing or wrong settings: PHONE_OPERATOR_NUMBER"),
    ],
)
async def test_what_cannot_be_done_is_said_in_a_line(
    media: Media, changes: dict[str, str], words: str
) -> None:
    said = await phone_command(media, "diff", **changes)
    assert said.code == 1
    assert words in said.err
    assert "Traceback" not in said.err


async def test_a_server_without_redis_is_named_as_that(tmp_path: Path) -> None:
    async with phone_media(tmp_path, has_redis=False) as alone:
        said = await phone_command(alone, "diff")
    assert said.code == 1
    assert "without Redis" in said.err


async def test_a_server_that_lets_no_telephone_in_is_found_before_a_caller_finds_it(
    tmp_path: Path,
) -> None:
    async with phone_media(tmp_path, auto_create=False) as closed:
        said = await phone_command(closed, "apply")
        assert said.code == 1
        assert "set LIVEKIT_AUTO_CREATE=true" in said.err
        assert (await phone_command(closed, "diff")).code == 1, "though there is nothing to do"
        token = api.AccessToken(KEY, SECRET).with_identity("sip_1").with_kind("sip")
        token = token.with_grants(api.VideoGrants(room_join=True, room=f"phone_{OURS}_x"))
        with pytest.raises(rtc.ConnectError):
            await rtc.Room().connect(closed.url, token.to_jwt(), rtc.RoomOptions(connect_timeout=5))
