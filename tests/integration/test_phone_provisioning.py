"""Trunks and dispatch rules on a real livekit-server with Redis, from the real livekit.yaml."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from livekit import api, rtc

from control_plane.phone.provisioning import Step, apply, diff, look, wanted_rule
from control_plane.phone.trunk_file import TrunkFile, read_trunk_file
from shared.call_protocol import AGENT_NAME
from shared.phone_protocol import PHONE_DISPATCH, PHONE_ROOM_PREFIX
from tests.integration.phone_media import ENVIRONMENT, KEY, OURS, SECRET, phone_media
from tests.web_process import Media

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def media(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Media]:
    async with phone_media(tmp_path_factory.mktemp("phone")) as running:
        yield running


def wanted(**changes: str) -> TrunkFile:
    return read_trunk_file({**ENVIRONMENT, **changes})


async def test_apply_makes_what_the_file_says_once_and_shows_it_before(media: Media) -> None:
    file = wanted()
    async with media.api() as livekit:
        planned = diff(await look(livekit, file), file)
        assert [step.words for step in planned] == ["create trunk sexycall", "create rule sexycall"]
        told: list[Step] = []
        assert await apply(livekit, file, tell=told.append) == told
        assert [step.words for step in told] == [step.words for step in planned]
        assert diff(await look(livekit, file), file) == []
        assert await apply(livekit, file) == []
        found = await look(livekit, file)
        assert list(found.trunks[0].numbers) == [OURS]
        assert found.rules[0].trunk_ids == [found.trunks[0].sip_trunk_id]


async def test_a_change_is_told_and_made_in_place_and_no_secret_is_shown(media: Media) -> None:
    async with media.api() as livekit:
        await apply(livekit, wanted())
        before = await look(livekit, wanted())
        file = wanted(
            PHONE_NUMBERS=f"{OURS}, +49305550101",
            PHONE_TRUNK_USER="user",
            PHONE_TRUNK_PASSWORD="hunter22",
        )
        words = " ".join(step.words for step in await apply(livekit, file))
        assert "+49305550101" in words
        assert "auth_password" in words
        assert "hunter22" not in words
        after = await look(livekit, file)
        assert [t.sip_trunk_id for t in after.trunks] == [t.sip_trunk_id for t in before.trunks]
        assert after.trunks[0].auth_password == "hunter22"
        assert diff(after, file) == []


async def test_what_others_made_is_left_alone_and_doubles_of_ours_go(media: Media) -> None:
    file = wanted()
    async with media.api() as livekit:
        await apply(livekit, file)
        ours = (await look(livekit, file)).trunks[0].sip_trunk_id
        other = await livekit.sip.create_inbound_trunk(
            api.CreateSIPInboundTrunkRequest(
                trunk=api.SIPInboundTrunkInfo(name="somebody-else", numbers=["+15550999"])
            )
        )
        double = wanted_rule(file, trunk_id=other.sip_trunk_id)
        await livekit.sip.create_dispatch_rule(
            api.CreateSIPDispatchRuleRequest(dispatch_rule=double)
        )
        steps = await apply(livekit, file)
        assert [step.verb for step in steps][-1] == "delete"
        assert diff(await look(livekit, file), file) == []
        listed = await livekit.sip.list_inbound_trunk(api.ListSIPInboundTrunkRequest())
        assert {trunk.sip_trunk_id for trunk in listed.items} == {ours, other.sip_trunk_id}


async def test_a_caller_let_in_by_the_rule_makes_the_room_and_asks_for_our_agent(
    media: Media,
) -> None:
    """The rule's room needs `auto_create`: the SIP service's token may join, and not create."""
    file = wanted()
    room_name = f"{PHONE_ROOM_PREFIX}_{OURS}_x1"
    async with media.api() as livekit:
        await apply(livekit, file)
        rule = (await look(livekit, file)).rules[0]
        token = api.AccessToken(KEY, SECRET).with_identity("sip_+4915112345678").with_kind("sip")
        token = token.with_grants(api.VideoGrants(room_join=True, room=room_name))
        token = token.with_room_config(rule.room_config)
        room = rtc.Room()
        await room.connect(media.url, token.to_jwt())
        try:
            dispatched = await livekit.agent_dispatch.list_dispatch(room_name)
        finally:
            await room.disconnect()
    assert [(d.agent_name, d.metadata) for d in dispatched] == [(AGENT_NAME, PHONE_DISPATCH)]
