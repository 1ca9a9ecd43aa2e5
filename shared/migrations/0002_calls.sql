-- Calls. The hot row is narrow: it is rewritten at each settle. What never changes lies beside it.

create table call_sessions(
  id uuid primary key,
  user_id uuid not null references credits,
  state text not null default 'authorized'
    check (state in ('authorized', 'active', 'closed', 'expired')),
  epoch int not null default 0,               -- fencing token: one owner at a time
  price_microcredits_per_minute bigint not null check (price_microcredits_per_minute > 0),
  seconds int not null default 0,             -- settled watermark: billed so far
  granted int not null default 0,             -- quota: the call may run to this second
  cost bigint not null default 0,
  max_seconds int not null check (max_seconds > 0),   -- longest call, whatever the balance
  free_seconds int check (free_seconds >= 0),         -- what was left of the free allowance; null: paid
  final_unit boolean not null default false,
  overrun_s int not null default 0,           -- reported beyond grant or clock; never billed
  authorized_at timestamptz not null default clock_timestamp(),
  answered_at timestamptz,                    -- an agent took the call
  started_at timestamptz,                     -- the billing clock began
  last_seen_at timestamptz not null default clock_timestamp(),
  ended_at timestamptz,
  end_reason text,
  closed_by text,                             -- agent, journal, reaper, operator, caller
  worker_id text,
  job_id text,
  redispatches int not null default 0,
  check (0 <= seconds and seconds <= granted),
  check (cost = (seconds::bigint * price_microcredits_per_minute + 59) / 60),
  check ((state in ('closed', 'expired')) = (ended_at is not null))
) with (fillfactor = 70);
create index call_sessions_open on call_sessions(last_seen_at)
  where state in ('authorized', 'active');
create index call_sessions_by_user on call_sessions(user_id, authorized_at desc);

-- Frozen at authorization: prices and prompts of a running call do not change under it.
create table call_configs(
  call_id uuid primary key references call_sessions,
  room_name text not null unique,
  plan text not null,
  model text not null,
  voice_id uuid references voices,
  voice text not null,
  language text not null,
  instructions text not null,
  greeting text not null,
  temperature double precision,
  max_output_tokens int,
  instructions_locked boolean not null default false,
  free_call boolean not null,
  evidence jsonb                              -- what closed it, when nobody hung up properly
);

create table call_transcripts(
  call_id uuid not null references call_sessions,
  index int not null,
  role text not null check (role in ('user', 'assistant')),
  text text not null,
  at_s double precision not null,
  interrupted boolean not null default false,
  primary key (call_id, index)
);

-- When the clock stood still: listed on the receipt, billed to nobody.
create table call_gaps(
  call_id uuid not null references call_sessions,
  index int not null,
  at_s int not null,                          -- the billed second the clock stood at
  lasted_s double precision not null,         -- wall time
  cause text not null,
  primary key (call_id, index)
);

-- Segments [start_s, end_s) of billed time. The watermark, not this index, is the idempotency guard,
-- so the partition key may be part of the primary key.
create table usage_events(
  call_id uuid not null,
  start_s int not null check (start_s >= 0),
  end_s int not null check (end_s > start_s),
  cost bigint not null check (cost >= 0),
  source text not null check (source in ('agent', 'journal', 'reaper')),
  at timestamptz not null default clock_timestamp(),
  primary key (call_id, start_s, at)
) partition by range (at);
create table usage_events_default partition of usage_events default;

-- Partitions of this month and the next two. Called at release and by the jobs, both harmless.
create function ensure_usage_partitions() returns void language plpgsql as $$
declare first date; name text;
begin
  for i in 0..2 loop
    first := (date_trunc('month', clock_timestamp() at time zone 'utc') + make_interval(months => i))::date;
    name := 'usage_events_' || to_char(first, 'YYYY_MM');
    if to_regclass(name) is null then
      execute format('create table %I partition of usage_events for values from (%L) to (%L)',
        name, first::timestamp at time zone 'utc',
        (first + interval '1 month')::timestamp at time zone 'utc');
    end if;
  end loop;
end $$;
select ensure_usage_partitions();
