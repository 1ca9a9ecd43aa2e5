"""
What the media server has, what livekit.yaml wants, and the steps from one to the other.

Only trunks and rules of our names are touched; a second run has nothing to do.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from google.protobuf.duration_pb2 import Duration
from livekit import api

from control_plane.phone.trunk_file import TrunkFile
from shared.call_protocol import AGENT_NAME
from shared.phone_protocol import PHONE_DISPATCH, PHONE_ROOM_PREFIX

EMPTY_TIMEOUT_S: Final = 30  # of a room whose caller hung up while it was made
DEPARTURE_TIMEOUT_S: Final = 20  # as for calls from the page
PARTICIPANTS_MAX: Final = 4
_SECRET_FIELDS: Final = frozenset({"auth_password"})


@dataclass(frozen=True, slots=True)
class Found:
    """What the server has under our names, the oldest first."""

    trunks: tuple[api.SIPInboundTrunkInfo, ...]
    rules: tuple[api.SIPDispatchRuleInfo, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One change. `words` is what the operator reads; it holds no secret."""

    verb: str  # create, update, delete
    noun: str  # trunk, rule
    words: str
    id: str = ""


class NumberTaken(Exception):
    """Another trunk has one of our numbers; the server looks for that at the creation only."""


def wanted_trunk(file: TrunkFile) -> api.SIPInboundTrunkInfo:
    trunk = file.trunk
    return api.SIPInboundTrunkInfo(
        name=trunk.name,
        numbers=trunk.numbers,
        allowed_addresses=trunk.allowed_addresses,
        auth_username=trunk.auth_username,
        auth_password=trunk.auth_password,
        ringing_timeout=Duration(seconds=trunk.ringing_timeout_s),
        max_call_duration=Duration(seconds=trunk.max_call_s),
    )


def wanted_rule(file: TrunkFile, *, trunk_id: str) -> api.SIPDispatchRuleInfo:
    """A rule by callee: the room's name goes into logs, so it must not hold who calls."""
    callee = api.SIPDispatchRuleCallee(room_prefix=PHONE_ROOM_PREFIX, randomize=True)
    return api.SIPDispatchRuleInfo(
        name=file.rule.name,
        trunk_ids=[trunk_id],
        rule=api.SIPDispatchRule(dispatch_rule_callee=callee),
        room_config=api.RoomConfiguration(
            empty_timeout=EMPTY_TIMEOUT_S,
            departure_timeout=DEPARTURE_TIMEOUT_S,
            max_participants=PARTICIPANTS_MAX,
            agents=[api.RoomAgentDispatch(agent_name=AGENT_NAME, metadata=PHONE_DISPATCH)],
        ),
    )


async def look(livekit: api.LiveKitAPI, file: TrunkFile) -> Found:
    """Raises livekit's ServerError, also when the server runs without Redis, and NumberTaken."""
    trunks = await livekit.sip.list_inbound_trunk(api.ListSIPInboundTrunkRequest())
    _check_numbers(trunks.items, file)
    rules = await livekit.sip.list_dispatch_rule(api.ListSIPDispatchRuleRequest())
    return Found(
        tuple(trunk for trunk in trunks.items if trunk.name == file.trunk.name),
        tuple(rule for rule in rules.items if rule.name == file.rule.name),
    )


def _check_numbers(trunks: Iterable[api.SIPInboundTrunkInfo], file: TrunkFile) -> None:
    for trunk in trunks:
        both = set(trunk.numbers) & set(file.trunk.numbers)
        if both and trunk.name != file.trunk.name:
            numbers = ", ".join(sorted(both))
            raise NumberTaken(f"trunk {trunk.name or trunk.sip_trunk_id} has {numbers}, too")


def diff(found: Found, file: TrunkFile) -> list[Step]:
    """The steps that `apply` would take; empty when nothing is to be done."""
    trunk_id = found.trunks[0].sip_trunk_id if found.trunks else ""
    rule = wanted_rule(file, trunk_id=trunk_id)
    return [
        *_steps("trunk", found.trunks, wanted_trunk(file), id_field="sip_trunk_id"),
        *_steps("rule", found.rules, rule, id_field="sip_dispatch_rule_id"),
    ]


async def apply(
    livekit: api.LiveKitAPI,
    file: TrunkFile,
    *,
    tell: Callable[[Step], None] = lambda _step: None,
) -> list[Step]:
    """
    Make it so; `tell` hears of each step before it is taken. Returns the steps taken. Safe to
    repeat, also after it died half-way.

    Rules name the id of their trunk, so the trunk comes first and the rule is compared again.
    """
    found = await look(livekit, file)
    taken = [step for step in diff(found, file) if step.noun == "trunk"]
    for step in taken:
        tell(step)
        await _take_trunk_step(livekit, file, step)
    found = await look(livekit, file)
    rule_steps = [step for step in diff(found, file) if step.noun == "rule"]
    for step in rule_steps:
        tell(step)
        await _take_rule_step(
            livekit, wanted_rule(file, trunk_id=found.trunks[0].sip_trunk_id), step
        )
    return [*taken, *rule_steps]


async def _take_trunk_step(livekit: api.LiveKitAPI, file: TrunkFile, step: Step) -> None:
    trunk = wanted_trunk(file)
    if step.verb == "create":
        await livekit.sip.create_inbound_trunk(api.CreateSIPInboundTrunkRequest(trunk=trunk))
    elif step.verb == "update":
        await livekit.sip.update_inbound_trunk(step.id, trunk)
    else:
        await livekit.sip.delete_trunk(api.DeleteSIPTrunkRequest(sip_trunk_id=step.id))


async def _take_rule_step(
    livekit: api.LiveKitAPI, rule: api.SIPDispatchRuleInfo, step: Step
) -> None:
    if step.verb == "create":
        request = api.CreateSIPDispatchRuleRequest(dispatch_rule=rule)
        await livekit.sip.create_dispatch_rule(request)
    elif step.verb == "update":
        await livekit.sip.update_dispatch_rule(step.id, rule)
    else:
        request_ = api.DeleteSIPDispatchRuleRequest(sip_dispatch_rule_id=step.id)
        await livekit.sip.delete_dispatch_rule(request_)


_Info = api.SIPInboundTrunkInfo | api.SIPDispatchRuleInfo


def _steps(noun: str, found: Sequence[_Info], wanted: _Info, *, id_field: str) -> list[Step]:
    if not found:
        return [Step("create", noun, f"create {noun} {wanted.name}")]
    first, *spare = found
    changed = _changed(first, wanted)
    steps = []
    if changed:
        words = f"update {noun} {wanted.name}: {', '.join(changed)}"
        steps.append(Step("update", noun, words, getattr(first, id_field)))
    steps += [
        Step(
            "delete",
            noun,
            f"delete {noun} {wanted.name}: there is another of this name",
            getattr(other, id_field),
        )
        for other in spare
    ]
    return steps


def _changed(found: _Info, wanted: _Info) -> list[str]:
    """Which fields differ of those that we set or that are set; `name: old -> new`."""
    changes = []
    for field in wanted.DESCRIPTOR.fields:
        if field.name in {"sip_trunk_id", "sip_dispatch_rule_id", "created_at", "updated_at"}:
            continue
        old, new = getattr(found, field.name), getattr(wanted, field.name)
        if old == new:
            continue
        if field.name in _SECRET_FIELDS:
            changes.append(field.name)
        else:
            changes.append(f"{field.name}: {_short(old)} -> {_short(new)}")
    return changes


def _short(value: object) -> str:
    return " ".join(str(value).split()) or "nothing"
