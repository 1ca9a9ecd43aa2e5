-- Requests with an Idempotency-Key: one row each, with its answer once there is one.
--
-- The row's id makes the key of the charge, so a run after a crash cannot pay a second time. A
-- charge whose hold was given back cannot be used again: then, and only then, the next run has a
-- new one.
create table idempotent_requests(
  user_id uuid not null references profiles,
  key text not null check (length(key) between 1 and 255),
  id uuid not null,
  route text not null,                        -- method and path
  request_sha256 bytea not null check (octet_length(request_sha256) = 32),
  state text not null default 'started' check (state in ('started', 'done')),
  attempt int not null default 1 check (attempt > 0),     -- of the charge
  run int not null default 1 check (run > 0),             -- fences a run that was given up
  lease_until timestamptz not null,           -- until then somebody works on it
  status int check (status between 200 and 399),
  headers jsonb,
  body bytea check (octet_length(body) <= 65536),
  object_key text,                            -- audio is not copied: where it is stored
  created_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz not null,
  primary key (user_id, key),
  check ((state = 'done') = (status is not null)),
  check (state = 'done' or (body is null and object_key is null)),
  check (state = 'started' or (body is null) <> (object_key is null))
);
create index idempotent_requests_expiring on idempotent_requests(expires_at);

-- Begin, or learn what became of it. Outcomes: 'run' (the caller works on it now), 'done' (here is
-- the answer), 'running' (somebody else works on it, for wait_s more unless they renew), 'reused'
-- (the key belongs to another request).
create function idempotent_claim_v1(
  p_user uuid, p_key text, p_id uuid, p_route text, p_sha256 bytea, p_lease_s double precision,
  p_ttl_s int
) returns table(outcome text, wait_s double precision, request idempotent_requests)
language plpgsql as $$
#variable_conflict use_column
declare r idempotent_requests; now_ timestamptz := clock_timestamp();
begin
  insert into idempotent_requests(user_id, key, id, route, request_sha256, lease_until, expires_at)
    values (p_user, p_key, p_id, p_route, p_sha256, now_ + make_interval(secs => p_lease_s),
      now_ + make_interval(secs => p_ttl_s))
    on conflict (user_id, key) do nothing returning * into r;
  if found then return query select 'run', 0::double precision, r; return; end if;
  select * into r from idempotent_requests where user_id = p_user and key = p_key for update;
  now_ := clock_timestamp();
  if not found then  -- forgotten a moment ago: somebody's run was refused
    return query select 'running', 0::double precision, r; return;
  end if;
  if r.lease_until > now_ and r.state = 'started' then
    return query select
      case when r.route = p_route and r.request_sha256 = p_sha256 then 'running' else 'reused' end,
      date_part('epoch', r.lease_until - now_)::double precision, r;
    return;
  end if;
  if r.expires_at <= now_ then  -- the key is free again, and so is its charge
    update idempotent_requests set id = p_id, route = p_route, request_sha256 = p_sha256,
        state = 'started', attempt = 1, run = run + 1, status = null, headers = null, body = null,
        object_key = null, created_at = now_, lease_until = now_ + make_interval(secs => p_lease_s),
        expires_at = now_ + make_interval(secs => p_ttl_s)
      where user_id = p_user and key = p_key returning * into r;
    return query select 'run', 0::double precision, r; return;
  end if;
  if r.route <> p_route or r.request_sha256 <> p_sha256 then
    return query select 'reused', 0::double precision, r; return;
  end if;
  if r.state = 'done' then return query select 'done', 0::double precision, r; return; end if;
  update idempotent_requests set run = run + 1,
      lease_until = now_ + make_interval(secs => p_lease_s),
      attempt = attempt + (exists (select from generation_charges c where c.user_id = p_user
        and c.idempotency_key = r.id || '#' || r.attempt and c.state = 'released'))::int
    where user_id = p_user and key = p_key returning * into r;
  return query select 'run', 0::double precision, r;
end $$;
