"""SQL that holds our bills against what the media server saw."""

from dataclasses import dataclass
from uuid import UUID

from shared.db import Tx

# Spans are matched by participant sid: an identity may come back, a sid may not. Times are the
# media server's, in whole seconds; a caller without both ends in the inbox proves nothing.
BILLED_BEYOND_PRESENCE = """
with seen as (
  select payload->'room'->>'name' as room,
    min((payload->>'createdAt')::bigint) filter (where kind = 'participant_joined') as came,
    max((payload->>'createdAt')::bigint) filter (where kind = 'participant_left') as went
  from webhook_inbox
  where source = 'livekit' and kind in ('participant_joined', 'participant_left')
    and received_at > clock_timestamp() - make_interval(secs => $1 + 86400)
    and payload->'participant'->>'identity' = $2
  group by room, payload->'participant'->>'sid'),
presence as (
  select room, sum(went - came)::int as seconds from seen
  group by room having bool_and(came is not null and went is not null))
select s.id as call_id, s.seconds as billed, p.seconds as present
from call_sessions s
join call_configs c on c.call_id = s.id
join presence p on p.room = c.room_name
where s.ended_at > clock_timestamp() - make_interval(secs => $1)
  and s.seconds > p.seconds + $3
order by s.seconds - p.seconds desc limit $4
"""


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """A call billed for longer than its caller was in the room. Seconds."""

    call_id: UUID
    billed: int
    present: int


async def billed_beyond_presence(
    tx: Tx, *, look_back_s: float, identity: str, tolerance_s: int, limit: int
) -> list[Discrepancy]:
    rows = await tx.fetch(BILLED_BEYOND_PRESENCE, look_back_s, identity, tolerance_s, limit)
    return [Discrepancy(**row) for row in rows]
