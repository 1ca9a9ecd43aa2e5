-- Long texts, spoken by the jobs process. A job holds its credit from the moment it is asked for
-- (generation_charges) and is settled once, in the transaction that makes its audio known.
--
-- Lock order: the job, then what 0006 says (credits, then charges).

create table speech_jobs(
  id uuid primary key,
  user_id uuid not null references profiles,
  api_key_id uuid,                            -- no foreign key: a key may be deleted, its work goes on
  request_id text,
  charge_id uuid not null unique references generation_charges,
  state text not null default 'queued'
    check (state in ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
  voice_id uuid not null,                     -- no foreign key: looked up again when it is spoken
  voice_version int not null,
  wish jsonb not null,                        -- model, format, style ...: all but text and voice
  text text,                                  -- of the customer; gone when the job has ended
  input_characters int not null check (input_characters > 0),     -- as priced, the most there can be
  parts_total int not null check (parts_total > 0),
  parts_done int not null default 0 check (parts_done between 0 and parts_total),
  revision bigint not null default 1,         -- counts what a listener may be told
  lease_token uuid,                           -- who works on it; a worker with another one is fenced
  lease_until timestamptz,
  takes int not null default 0,               -- how many workers have begun it
  audio_file_id uuid,
  object_key text,
  duration_ms int,
  size_bytes bigint,
  provider_model text,                        -- that did the work
  cost bigint not null default 0,             -- micro-credits, as debited
  error_code text,
  created_at timestamptz not null default clock_timestamp(),
  deadline_at timestamptz not null,           -- before the hold expires
  started_at timestamptz,
  ended_at timestamptz,
  check ((state in ('queued', 'running')) = (ended_at is null)),
  check ((state in ('queued', 'running')) = (text is not null)),
  check ((state = 'running') = (lease_token is not null)),
  check ((state = 'succeeded') = (object_key is not null)),
  check (state = 'succeeded' or cost = 0)
);
create index speech_jobs_open on speech_jobs(created_at) where state in ('queued', 'running');
create index speech_jobs_open_by_user on speech_jobs(user_id) where state in ('queued', 'running');
create index speech_jobs_by_user on speech_jobs(user_id, id desc);

-- One piece: characters starts_at to ends_at of the text. Spoken when object_key is there; that object
-- is a loose one (0010), spared as long as the charge of the job is open. Rows go when the job ends.
create table speech_job_parts(
  job_id uuid not null references speech_jobs on delete cascade,
  number int not null check (number >= 0),
  starts_at int not null check (starts_at >= 0),
  ends_at int not null check (ends_at > starts_at),
  object_key text,
  duration_ms int,
  quantity int,                               -- priced units the provider used for it
  provider_model text,
  primary key (job_id, number)
);

-- The next job for a worker, under a lease: one nobody has, or one whose worker is silent. At most
-- p_user_max run for one account, so that a crowd of jobs of one leaves room for others.
create function speech_job_take_v1(p_token uuid, p_lease_s float8, p_user_max int)
returns setof speech_jobs language plpgsql as $$
declare j uuid;
begin
  -- One at a time, or all who ask at once would count the same jobs as running.
  perform pg_advisory_xact_lock(7310014);
  select w.id into j from speech_jobs w
    where (w.state = 'queued' or (w.state = 'running' and w.lease_until < clock_timestamp()))
      and (select count(*) from speech_jobs r
        where r.user_id = w.user_id and r.state = 'running' and r.id <> w.id
          and r.lease_until >= clock_timestamp()) < p_user_max
    order by w.created_at, w.id limit 1 for no key update skip locked;
  if not found then return; end if;
  return query update speech_jobs set state = 'running', lease_token = p_token,
      lease_until = clock_timestamp() + make_interval(secs => p_lease_s), takes = takes + 1,
      started_at = coalesce(started_at, clock_timestamp()), revision = revision + 1
    where id = j returning *;
end $$;

-- Remember a spoken piece, once, for the worker that has the lease. False when it has it no more.
create function speech_job_part_done_v1(
  p_job uuid, p_token uuid, p_number int, p_key text, p_duration_ms int, p_quantity int,
  p_model text
) returns boolean language plpgsql as $$
begin
  perform 1 from speech_jobs where id = p_job and state = 'running' and lease_token = p_token
    for no key update;
  if not found then return false; end if;
  update speech_job_parts set object_key = p_key, duration_ms = p_duration_ms,
      quantity = p_quantity, provider_model = p_model
    where job_id = p_job and number = p_number and object_key is null;
  if found then
    update speech_jobs set parts_done = parts_done + 1, revision = revision + 1 where id = p_job;
  end if;
  return true;
end $$;

-- The proof obligations of jobs: one that goes on has its hold (until it expires), one that delivered
-- its debit and its row of history, any other one neither.
create view speech_job_violations as
select 'J1 a job and its charge agree' as invariant, j.id::text as key
  from speech_jobs j join generation_charges c on c.id = j.charge_id
  where not case j.state
    when 'succeeded' then c.state = 'settled' and c.cost = j.cost
    when 'failed' then c.state = 'released'
    when 'cancelled' then c.state = 'released'
    else c.state = 'reserved' or c.end_reason = 'expired' end
union all
select 'J2 a delivered job has its usage', j.id::text
  from speech_jobs j left join generation_usage u on u.charge_id = j.charge_id
  where (j.state = 'succeeded') <> (u.charge_id is not null)
union all
select 'J3 an ended job has no pieces', p.job_id::text
  from speech_job_parts p join speech_jobs j on j.id = p.job_id where j.ended_at is not null;

do $$
declare books text := rtrim(trim(pg_get_viewdef('invariant_violations')), ';');
begin
  execute 'create or replace view invariant_violations as ' || books
    || ' union all select invariant, key from speech_job_violations';
end $$;
