-- Credit lots, limits that people set for themselves, daily credits, notices. The design: docs/lots.md.
--
-- The hot path stays on one row: holds and grants know only `credits`. A lot changes when the balance
-- does, in the same transaction and under the lock of the account's credits row, so that
-- sum(remaining) = balance at every instant. The balance is never negative: debt has a column of its
-- own and no lots.
--
-- Lock order: credits (by user), calls (by id), charges, then lots, daily_grants, account_settings.

alter table credits
  add column spend_cap bigint check (spend_cap >= 0),         -- for one month; null: none
  add column spent bigint not null default 0 check (spent >= 0),    -- debits of the spending month
  add column spent_after bigint not null default 0,           -- the last ledger row before that month
  add column month_ends timestamptz not null default '-infinity';

create table account_settings(
  user_id uuid primary key references credits,
  time_zone text not null default 'UTC',      -- IANA name
  low_balance_at bigint check (low_balance_at > 0),   -- tell the person below this; null: never
  low_told_at timestamptz                     -- told, and not above it since
);

create table credit_lots(
  id bigint generated always as identity primary key,
  user_id uuid not null references credits,
  kind text not null check (kind in ('free', 'promotional', 'subscription', 'purchased')),
  priority smallint not null,                 -- the smaller one is burnt first
  amount bigint not null check (amount > 0),  -- that reached the balance
  remaining bigint not null check (remaining >= 0),   -- only ever falls
  expired bigint not null default 0 check (expired >= 0),
  is_open boolean generated always as (remaining > 0) stored,
  expires_at timestamptz,                     -- null: never
  origin text,                                -- the payment it came from: a claw-back takes here first
  posting bigint references credit_transactions,      -- null: what an account had before it had lots
  split_from bigint references credit_lots,
  rolled_by text,                             -- which renewal kept it
  created_at timestamptz not null default clock_timestamp(),
  check (remaining + expired <= amount)
) with (fillfactor = 70);
create unique index credit_lots_by_posting on credit_lots(posting) where split_from is null;
create unique index credit_lots_rolled on credit_lots(split_from, rolled_by) where rolled_by is not null;
-- In the order in which lots are burnt. `is_open` rather than remaining > 0: it seldom changes, so
-- burning a part of a lot touches no index.
create index credit_lots_open on credit_lots(user_id, expires_at, priority, id) where is_open;
create index credit_lots_due on credit_lots(expires_at, id)
  where is_open and expires_at is not null;
create index credit_lots_by_origin on credit_lots(user_id, origin) where origin is not null;

-- What an operator gives every day. The newest rule counts; 0 credits: nothing.
create table daily_credit_rules(
  version int generated always as identity primary key,
  credits bigint not null check (credits >= 0),
  cap bigint not null check (cap >= credits), -- never more than this of daily credits in an account
  last_days int not null check (last_days between 1 and 366),   -- 1: gone at the next midnight
  plan text not null check (plan in ('*', 'free', 'paid')),
  set_by text not null check (set_by <> ''),
  reason text not null check (reason <> ''),
  set_at timestamptz not null default clock_timestamp()
);
create trigger daily_credit_rules_append_only before update or delete or truncate
  on daily_credit_rules for each statement execute function refuse_change();

create table daily_grants(
  user_id uuid primary key references credits,
  day date not null,                          -- of the last grant, where the person was; only grows
  granted_at timestamptz not null,
  not_before timestamptz not null default '-infinity'   -- after a change of the time zone
);

-- What a person is to be told, once by (user, kind, key). Written in the transaction that makes it true.
create table notices(
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references profiles,
  kind text not null check (kind ~ '^[a-z][a-z_]{1,39}$'),
  dedupe_key text not null check (length(dedupe_key) between 1 and 200),
  payload jsonb not null default '{}',        -- amounts and ids; never a name, an address or a secret
  created_at timestamptz not null default clock_timestamp(),
  sent_at timestamptz,
  unique (user_id, kind, dedupe_key)
);
create index notices_open on notices(created_at) where sent_at is null;

create function zone_of_v1(p_user uuid) returns text language sql stable as
$$ select coalesce((select time_zone from account_settings where user_id = p_user), 'UTC') $$;

create function month_end_v1(p_zone text, p_at timestamptz) returns timestamptz language sql stable as
$$ select (date_trunc('month', p_at at time zone p_zone) + interval '1 month') at time zone p_zone $$;

-- What a new hold may take: what is free, and no more than the month's cap leaves; can be negative.
create function credit_free(
  balance bigint, reserved bigint, spend_cap bigint, spent bigint, month_ends timestamptz
) returns bigint language sql volatile parallel safe as $$
  select case when spend_cap is null then balance - reserved
    else least(balance, spend_cap - case when clock_timestamp() < month_ends then spent else 0 end)
      - reserved end
$$;

create function lot_kind(p_kind text) returns text language sql immutable as $$
  select case p_kind when 'freemium' then 'free' when 'promo' then 'promotional'
    when 'subscription_grant' then 'subscription' else 'purchased' end
$$;

create function lot_priority(p_lot_kind text) returns smallint language sql immutable as $$
  select (case p_lot_kind when 'free' then 10 when 'promotional' then 20 when 'subscription' then 30
    else 40 end)::smallint
$$;

-- Soonest-expiring first, then by priority, then the oldest; before all others those of p_origin. The
-- caller has taken p_amount from the balance. Too few lots are no reason to leave a call unbilled:
-- I22 says so aloud.
create function lots_burn_v1(p_user uuid, p_amount bigint, p_origin text default null) returns void
language plpgsql as $$
declare l record; taken bigint; wanted bigint := p_amount;
begin
  if p_origin is not null and wanted > 0 then
    for l in select id, remaining from credit_lots
        where user_id = p_user and origin = p_origin and is_open order by expires_at, priority, id loop
      taken := least(wanted, l.remaining);
      update credit_lots set remaining = remaining - taken where id = l.id;
      wanted := wanted - taken;
      exit when wanted = 0;
    end loop;
  end if;
  if wanted = 0 then return; end if;
  for l in select id, remaining from credit_lots
      where user_id = p_user and is_open order by expires_at, priority, id loop
    taken := least(wanted, l.remaining);
    update credit_lots set remaining = remaining - taken where id = l.id;
    wanted := wanted - taken;
    exit when wanted = 0;
  end loop;
end $$;

-- Take what has expired and is not held. Holds lie on the lots that would be burnt first, so a call
-- that began with credit of today ends with it. Returns the micro-credits. The caller has the lock.
create function lots_expire_v1(p_user uuid, p_now timestamptz, p_lots int default 200) returns bigint
language plpgsql as $$
declare l record; held bigint; gone bigint; total bigint := 0;
begin
  if not exists (select from credit_lots where user_id = p_user and is_open and expires_at <= p_now)
    then return 0; end if;
  select reserved into held from credits where user_id = p_user;
  for l in select id, remaining from credit_lots
      where user_id = p_user and is_open and expires_at <= p_now
      order by expires_at, priority, id limit p_lots loop
    gone := greatest(l.remaining - held, 0);
    held := held - (l.remaining - gone);
    continue when gone = 0;
    update credit_lots set remaining = remaining - gone, expired = expired + gone where id = l.id;
    insert into credit_transactions(user_id, kind, amount, source, source_id)
      values (p_user, 'expiry', -gone, 'expiry', l.id || ':' || l.remaining - gone);
    total := total + gone;
  end loop;
  update credits set balance = balance - total where user_id = p_user and total > 0;
  return total;
end $$;

-- Tell the person, once until there is more again. Counts what no running work holds.
create function low_balance_v1(p_user uuid) returns boolean language plpgsql as $$
declare low bigint; available bigint;
begin
  select s.low_balance_at, k.balance - k.reserved into low, available
    from account_settings s join credits k using (user_id)
    where s.user_id = p_user and s.low_told_at is null and k.balance - k.reserved < s.low_balance_at;
  if not found then return false; end if;
  update account_settings set low_told_at = clock_timestamp()
    where user_id = p_user and low_told_at is null;
  insert into notices(user_id, kind, dedupe_key, payload)
    values (p_user, 'low_balance', (clock_timestamp() at time zone 'utc')::date::text,  -- one a day
      jsonb_build_object('available', available, 'threshold', low))
    on conflict (user_id, kind, dedupe_key) do nothing;
  return found;
end $$;

-- Post to the ledger. True when posted now, false when this (source, source_id) was there already.
-- What reaches the balance is a lot; credit that comes back has the kind and the end of the lot it
-- came from. A negative amount takes what is free; what is spent or held becomes debt, which credit
-- pays first.
create function credit_post_v2(
  p_user uuid, p_amount bigint, p_kind text, p_source text, p_source_id text,
  p_reason text default null, p_actor text default null, p_expires_at timestamptz default null,
  p_origin text default null
) returns boolean language plpgsql as $$
declare k credits; old credit_lots; t bigint; taken bigint; added bigint; lot text;
  from_ text := coalesce(p_origin, case p_source when 'stripe' then split_part(p_source_id, ':', 1) end);
begin
  select * into k from credits where user_id = p_user for no key update;
  if not found then raise exception 'no such account' using errcode = 'P0002'; end if;
  insert into credit_transactions(user_id, kind, amount, source, source_id, reason, actor)
    values (p_user, p_kind, p_amount, p_source, p_source_id, p_reason, p_actor)
    on conflict (source, source_id) do nothing returning id into t;
  if not found then return false; end if;
  if p_amount < 0 then
    taken := least(-p_amount, k.balance - k.reserved);
    update credits set balance = balance - taken, debt = debt + (-p_amount - taken)
      where user_id = p_user;
    perform lots_burn_v1(p_user, taken, from_);
    perform low_balance_v1(p_user);
    return true;
  end if;
  added := p_amount - least(k.debt, p_amount);
  update credits set balance = balance + added, debt = debt - (p_amount - added),
    paid = paid or p_kind in ('topup', 'subscription_grant') where user_id = p_user;
  if added > 0 then
    lot := lot_kind(p_kind);
    if p_kind in ('refund', 'dispute', 'dispute_reversal') and from_ is not null then
      select * into old from credit_lots where user_id = p_user and origin = from_
        order by id desc limit 1;
      lot := coalesce(old.kind, lot);
    end if;
    insert into credit_lots(user_id, kind, priority, amount, remaining, expires_at, origin, posting)
      values (p_user, lot, coalesce(old.priority, lot_priority(lot)), added, added,
        coalesce(p_expires_at, old.expires_at), from_, t);
    update account_settings set low_told_at = null where user_id = p_user
      and low_told_at is not null and k.balance + added - k.reserved >= low_balance_at;
  end if;
  return true;
end $$;

-- The day's free credits, at the first visit of a day where the person is. The day only ever grows,
-- and after a change of the time zone 20 hours pass first. Not for who is in debt or frozen. Returns
-- the micro-credits. The caller has the lock.
create function daily_grant_v1(p_user uuid, p_now timestamptz) returns bigint
language plpgsql as $$
declare r daily_credit_rules; k credits; d daily_grants; zone text; today date; added bigint;
begin
  select * into r from daily_credit_rules order by version desc limit 1;
  if not found or r.credits = 0 then return 0; end if;
  select * into k from credits where user_id = p_user;
  if not found or k.debt > 0 or r.plan = (case when k.paid then 'free' else 'paid' end)
    or exists (select from profiles where id = p_user and frozen_at is not null) then return 0; end if;
  zone := zone_of_v1(p_user);
  today := (p_now at time zone zone)::date;
  select * into d from daily_grants where user_id = p_user;
  if found and (today <= d.day or p_now < d.not_before) then return 0; end if;
  insert into daily_grants(user_id, day, granted_at) values (p_user, today, p_now)
    on conflict (user_id) do update set day = today, granted_at = p_now, not_before = '-infinity';
  added := least(r.credits, r.cap - (select coalesce(sum(remaining), 0)::bigint from credit_lots
    where user_id = p_user and origin = 'daily' and is_open and expires_at > p_now));
  if added <= 0 then return 0; end if;
  perform credit_post_v2(p_user, added, 'freemium', 'daily', p_user || ':' || today, null, null,
    (today + r.last_days)::timestamp at time zone zone, 'daily');
  return added;
end $$;

-- The account as it is now: what has expired is gone, the day's credits are there, the row is locked.
create function credit_refresh_v1(p_user uuid) returns setof credits language plpgsql as $$
begin
  perform 1 from credits where user_id = p_user for no key update;
  if not found then return; end if;
  perform lots_expire_v1(p_user, clock_timestamp());
  perform daily_grant_v1(p_user, clock_timestamp());
  return query select * from credits where user_id = p_user;
end $$;

-- The same for who only looks: locks only when there may be something to do.
create function credit_visit_v1(p_user uuid) returns setof credits language plpgsql as $$
begin
  if exists (select from credit_lots
      where user_id = p_user and is_open and expires_at <= clock_timestamp())
    or (select credits > 0 from daily_credit_rules order by version desc limit 1)
      and not exists (select from daily_grants d where d.user_id = p_user
        and ((clock_timestamp() at time zone zone_of_v1(p_user))::date <= d.day
          or clock_timestamp() < d.not_before))
  then return query select * from credit_refresh_v1(p_user); return; end if;
  return query select * from credits where user_id = p_user;
end $$;

-- One page of the lots that are due, the longest ago first. It locks many accounts, so it waits for
-- none: a busy one comes next round. Pages are a walk, so that lots which holds keep alive hide nobody.
create function lots_sweep_v1(p_lots int, p_after timestamptz, p_after_id bigint)
returns table(lots int, accounts int, last_at timestamptz, last_id bigint) language plpgsql as $$
declare due timestamptz := clock_timestamp(); us uuid[]; u uuid;
begin
  select count(*), array_agg(distinct p.user_id), max(p.expires_at),
      (array_agg(p.id order by p.expires_at desc, p.id desc))[1]
    into lots, us, last_at, last_id from (
      select l.user_id, l.expires_at, l.id from credit_lots l
      where l.is_open and l.expires_at <= due and (l.expires_at, l.id) > (p_after, p_after_id)
      order by l.expires_at, l.id limit p_lots) p;
  accounts := 0;
  for u in select k.user_id from credits k where k.user_id = any(us)
      order by k.user_id for no key update skip locked loop
    accounts := accounts + (lots_expire_v1(u, due) > 0)::int;
  end loop;
  return next;
end $$;

-- At a renewal: keep at most p_max of what of this kind would expire before p_until, until then.
-- Once by p_key, however often it is asked. Returns the micro-credits kept by this call.
create function lots_roll_over_v1(
  p_user uuid, p_key text, p_max bigint, p_until timestamptz, p_kind text default 'subscription'
) returns bigint language plpgsql as $$
declare l credit_lots; kept bigint; wanted bigint; total bigint := 0;
begin
  perform 1 from credits where user_id = p_user for no key update;
  wanted := p_max - (select coalesce(sum(amount), 0)::bigint from credit_lots
    where user_id = p_user and rolled_by = p_key);
  for l in select * from credit_lots where user_id = p_user and is_open and kind = p_kind
      and expires_at < p_until and expires_at > clock_timestamp() and rolled_by is distinct from p_key
      order by expires_at, priority, id loop
    exit when wanted <= 0;
    kept := least(wanted, l.remaining);
    update credit_lots set remaining = remaining - kept where id = l.id;
    insert into credit_lots(user_id, kind, priority, amount, remaining, expires_at, origin, posting,
        split_from, rolled_by)
      values (p_user, l.kind, l.priority, kept, kept, p_until, l.origin, l.posting, l.id, p_key);
    wanted := wanted - kept;
    total := total + kept;
  end loop;
  return total;
end $$;

-- The IANA name of where a person is. A change does not bring the next daily credits sooner than 20
-- hours after the last. The spending month that runs keeps its end. Raises 22023 for an unknown name.
create function time_zone_set_v1(p_user uuid, p_zone text) returns void language plpgsql as $$
begin
  if p_zone <> 'UTC' and (p_zone !~ '^[A-Z][A-Za-z_]+(/[A-Za-z0-9_+-]+){1,2}$'
      or not exists (select from pg_timezone_names where name = p_zone)) then
    raise exception 'no such time zone' using errcode = '22023';
  end if;
  perform 1 from credits where user_id = p_user for no key update;
  if zone_of_v1(p_user) = p_zone then return; end if;
  insert into account_settings(user_id, time_zone) values (p_user, p_zone)
    on conflict (user_id) do update set time_zone = p_zone;
  update daily_grants set not_before = granted_at + interval '20 hours' where user_id = p_user;
end $$;

-- Give a hold back and take what the work cost. The caller has the lock and writes the one debit.
create function credit_debit_v1(p_user uuid, p_held bigint, p_cost bigint) returns void
language plpgsql as $$
declare k credits; now_ timestamptz := clock_timestamp();
begin
  select * into k from credits where user_id = p_user;
  if p_cost > 0 and now_ >= k.month_ends then  -- the first debit of a month
    k.spent := 0;
    k.month_ends := month_end_v1(zone_of_v1(p_user), now_);
    k.spent_after := coalesce(
      (select id from credit_transactions where user_id = p_user order by id desc limit 1), 0);
  end if;
  update credits set reserved = reserved - p_held, balance = balance - p_cost,
    spent = k.spent + p_cost, spent_after = k.spent_after, month_ends = k.month_ends
    where user_id = p_user;
  perform lots_burn_v1(p_user, p_cost);
  perform lots_expire_v1(p_user, now_);
  perform low_balance_v1(p_user);
end $$;

-- As v2, of the account as it is now and within the month's cap.
create function call_authorize_v3(
  p_call uuid, p_user uuid, p_price bigint, p_want int, p_min_seconds int,
  p_max_seconds int, p_free_seconds int, p_version int
) returns int language plpgsql as $$
declare k credits; cap int; g int;
begin
  select * into k from credit_refresh_v1(p_user);
  if not found or k.debt > 0 then return 0; end if;
  select granted into g from call_sessions where id = p_call;
  if found then return g; end if;                                       -- the same request again
  cap := call_cap(p_max_seconds, p_free_seconds, k.paid);
  g := least(p_want::bigint, cap::bigint,
    greatest(credit_free(k.balance, k.reserved, k.spend_cap, k.spent, k.month_ends), 0) * 60 / p_price)::int;
  if g < least(p_min_seconds, cap) or g <= 0 then return 0; end if;
  insert into call_sessions(id, user_id, price_microcredits_per_minute, granted, max_seconds,
      free_seconds, final_unit, rate_card_version)
    values (p_call, p_user, p_price, g, p_max_seconds, p_free_seconds, g < p_want, p_version);
  update credits set reserved = reserved + call_cost(p_price, g) where user_id = p_user;
  return g;
end $$;

-- HOT PATH. As v1; a grant never exceeds what the month's cap leaves, so that a call ends there as
-- it does at the end of the credit.
create function calls_settle_v2(
  p_call uuid[], p_epoch int[], p_upto int[], p_want int, p_low int
) returns table(call_id uuid, standing text, seconds int, granted int, final_unit boolean)
language plpgsql set plan_cache_mode = force_generic_plan as $$
#variable_conflict use_column
declare us uuid[]; cs uuid[];
begin
  us := array(select user_id from credits
    where user_id in (select user_id from call_sessions where id = any(p_call))
    order by user_id for no key update);
  -- Only rows whose account we hold: a call inserted between the two statements waits for its next report.
  cs := array(select id from call_sessions where id = any(p_call) and user_id = any(us)
    order by id for no key update);
  return query
  with report as materialized (
    select distinct on (u.call) u.call, u.epoch, u.upto
    from unnest(p_call, p_epoch, p_upto) u(call, epoch, upto) order by u.call, u.epoch desc, u.upto desc),
  seen as materialized (
    select s.id, s.user_id, s.price_microcredits_per_minute price, s.seconds s0, s.granted g0,
      s.state in ('authorized', 'active') as is_open, r.epoch = s.epoch and s.epoch > 0 as is_owner,
      s.answered_at, s.started_at, r.upto,
      least(r.upto, s.granted, plausible_seconds(s.started_at, s.answered_at)) believed,
      call_cap(s.max_seconds, s.free_seconds, k.paid) cap,
      credit_free(k.balance, k.reserved, k.spend_cap, k.spent, k.month_ends) as free, k.debt
    from report r join unnest(cs) locked(id) on locked.id = r.call
    join call_sessions s on s.id = r.call join credits k on k.user_id = s.user_id),
  work as materialized (
    select *, greatest(s0, believed) s1, least(greatest(s0, believed) + p_want, cap) target
    from seen where is_open and is_owner),
  asked as materialized (
    select *, debt = 0 and g0 - s1 < p_low as is_low, case when debt = 0 and g0 - s1 < p_low
      then greatest(call_cost(price, target) - call_cost(price, g0), 0) else 0 end as ask from work),
  grants as materialized (            -- free credit minus what earlier calls of the same account take
    select *, case when not is_low then g0 else greatest(g0, least(target::bigint,
      (call_cost(price, g0) + greatest(free - (sum(ask) over (
        partition by user_id order by id rows unbounded preceding) - ask)::bigint, 0)) * 60 / price)::int)
      end as g1 from asked),          -- (::bigint matters: sum(bigint) is numeric, numeric::int rounds)
  segment as (
    insert into usage_events(call_id, start_s, end_s, cost, source)
    select id, s0, s1, call_cost(price, s1) - call_cost(price, s0), 'agent' from grants where s1 > s0),
  hold as (
    update credits c set reserved = c.reserved + d.x from (
      select user_id, sum(call_cost(price, g1) - call_cost(price, g0))::bigint x
      from grants where g1 > g0 group by user_id) d
    where c.user_id = d.user_id),
  merged as (
    update call_sessions c set seconds = g.s1, cost = call_cost(g.price, g.s1), granted = g.g1,
      final_unit = case when g.g0 - g.s1 < p_low then g.g1 < g.s1 + p_want else c.final_unit end,
      overrun_s = greatest(c.overrun_s, g.upto - g.believed),
      state = 'active', last_seen_at = clock_timestamp(),
      started_at = coalesce(c.started_at,
        greatest(c.answered_at, clock_timestamp() - make_interval(secs => g.s1)))
    from grants g where c.id = g.id
    returning c.id, c.seconds, c.granted, c.final_unit)
  select m.id, 'open'::text, m.seconds, m.granted, m.final_unit from merged m
  union all
  select n.id, case when not n.is_open then 'closed' else 'fenced' end, n.s0, n.g0, true
  from seen n where not (n.is_open and n.is_owner);
end $$;

-- As v1; the debit burns lots.
create function call_close_v2(
  p_call uuid, p_epoch int, p_upto int, p_reason text, p_by text, p_source text
) returns table(seconds int, end_reason text, already_closed boolean) language plpgsql as $$
#variable_conflict use_column
declare s call_sessions; n int; believed int; u uuid;
begin
  select user_id into u from call_sessions where id = p_call;
  if not found then return; end if;
  perform 1 from credits where user_id = u for no key update;
  select * into s from call_sessions where id = p_call for no key update;
  if s.state in ('closed', 'expired') then
    return query select s.seconds, s.end_reason, true; return;
  end if;
  if p_epoch is not null and p_epoch <> s.epoch then
    raise exception 'fenced' using errcode = '40P99';
  end if;
  believed := least(p_upto, s.granted,
    coalesce(plausible_seconds(s.started_at, s.answered_at), 0));
  n := greatest(s.seconds, believed);
  if n > s.seconds then
    insert into usage_events(call_id, start_s, end_s, cost, source) values (p_call, s.seconds, n,
      call_cost(s.price_microcredits_per_minute, n) - call_cost(s.price_microcredits_per_minute, s.seconds),
      p_source);
  end if;
  update call_sessions set seconds = n, cost = call_cost(price_microcredits_per_minute, n),
    overrun_s = greatest(overrun_s, p_upto - believed),
    started_at = case when n = 0 then started_at else coalesce(started_at,
      greatest(answered_at, clock_timestamp() - make_interval(secs => n))) end,
    state = case when n = 0 and s.state = 'authorized' then 'expired' else 'closed' end,
    ended_at = clock_timestamp(), end_reason = p_reason, closed_by = p_by where id = p_call;
  perform credit_debit_v1(u, call_cost(s.price_microcredits_per_minute, s.granted),
    call_cost(s.price_microcredits_per_minute, n));
  if n > 0 then
    insert into credit_transactions(user_id, kind, amount, call_id, source, source_id)
      values (u, 'call', -call_cost(s.price_microcredits_per_minute, n), p_call, 'call', p_call::text);
  end if;
  return query select n, p_reason, false;
end $$;

-- As v1, of the account as it is now. A new outcome: 'over_cap', the month's cap leaves too little.
create function charge_reserve_v2(
  p_charge uuid, p_user uuid, p_key text, p_sha256 bytea, p_product text, p_model text,
  p_channel text, p_quantity bigint, p_ttl_s int
) returns table(outcome text, needed bigint, available bigint, charge generation_charges)
language plpgsql as $$
#variable_conflict use_column
declare k credits; c generation_charges; r rates; h bigint; used_plan text; free bigint;
begin
  select * into k from credit_refresh_v1(p_user);
  if not found then return query select 'no_credit', 0::bigint, 0::bigint, c; return; end if;
  free := greatest(credit_free(k.balance, k.reserved, k.spend_cap, k.spent, k.month_ends), 0);
  select * into c from generation_charges where user_id = p_user and idempotency_key = p_key;
  if found then
    return query select case when c.request_sha256 = p_sha256 then 'known' else 'conflict' end,
      c.hold, free, c;
    return;
  end if;
  used_plan := case when k.paid then 'paid' else 'free' end;
  select * into r from rate_for_v1(rate_card_in_force(), p_product, p_model, used_plan, p_channel);
  if not found then
    return query select 'no_price', 0::bigint, free, c; return;
  end if;
  h := generation_cost(r.price_microcredits, r.per_units, r.minimum_microcredits, p_quantity);
  if k.debt > 0 or k.balance - k.reserved < h then
    return query select 'no_credit', h, free, c; return;
  end if;
  if free < h then return query select 'over_cap', h, free, c; return; end if;
  insert into generation_charges(id, user_id, idempotency_key, request_sha256, product, model, plan,
      channel, unit, rate_card_version, price_microcredits, per_units, minimum_microcredits, hold,
      expires_at)
    values (p_charge, p_user, p_key, p_sha256, p_product, p_model, used_plan, p_channel, r.unit,
      r.version, r.price_microcredits, r.per_units, r.minimum_microcredits, h,
      clock_timestamp() + make_interval(secs => p_ttl_s))
    returning * into c;
  update credits set reserved = reserved + h where user_id = p_user;
  return query select 'reserved', h, free - h, c;
end $$;

-- As v1; the debit burns lots.
create function charge_settle_v2(p_charge uuid, p_quantity bigint, p_model text default null)
returns table(outcome text, charge generation_charges) language plpgsql as $$
#variable_conflict use_column
declare u uuid; c generation_charges; r rates;
begin
  select user_id into u from generation_charges where id = p_charge;
  if not found then return; end if;
  perform 1 from credits where user_id = u for no key update;
  select * into c from generation_charges where id = p_charge for no key update;
  if c.state <> 'reserved' then
    return query select case c.state when 'settled' then 'known' else 'released' end, c; return;
  end if;
  if coalesce(p_model, c.model) <> c.model then
    select * into r from rate_for_v1(c.rate_card_version, c.product, p_model, c.plan, c.channel);
    if not found or r.unit <> c.unit then return query select 'no_price', c; return; end if;
    c.model := p_model;
    c.price_microcredits := r.price_microcredits;
    c.per_units := r.per_units;
    c.minimum_microcredits := r.minimum_microcredits;
  end if;
  update generation_charges set state = 'settled', quantity = p_quantity, model = c.model,
      price_microcredits = c.price_microcredits, per_units = c.per_units,
      minimum_microcredits = c.minimum_microcredits,
      cost = least(c.hold, generation_cost(c.price_microcredits, c.per_units,
        c.minimum_microcredits, p_quantity)),
      ended_at = clock_timestamp(), end_reason = 'delivered'
    where id = p_charge returning * into c;
  perform credit_debit_v1(u, c.hold, c.cost);
  insert into credit_transactions(user_id, kind, amount, charge_id, source, source_id)
    values (u, 'generation', -c.cost, p_charge, 'generation', p_charge::text);
  return query select 'settled', c;
end $$;

-- The older versions do the same as the new ones, for processes of the release before this one.
create or replace function credit_post_v1(
  p_user uuid, p_amount bigint, p_kind text, p_source text, p_source_id text,
  p_reason text default null, p_actor text default null
) returns boolean language sql as
$$ select credit_post_v2(p_user, p_amount, p_kind, p_source, p_source_id, p_reason, p_actor) $$;

create or replace function call_authorize_v2(
  p_call uuid, p_user uuid, p_price bigint, p_want int, p_min_seconds int,
  p_max_seconds int, p_free_seconds int, p_version int
) returns int language sql as $$
  select call_authorize_v3(p_call, p_user, p_price, p_want, p_min_seconds, p_max_seconds,
    p_free_seconds, p_version)
$$;

create or replace function calls_settle_v1(
  p_call uuid[], p_epoch int[], p_upto int[], p_want int, p_low int
) returns table(call_id uuid, standing text, seconds int, granted int, final_unit boolean)
language sql as $$ select * from calls_settle_v2(p_call, p_epoch, p_upto, p_want, p_low) $$;

create or replace function call_close_v1(
  p_call uuid, p_epoch int, p_upto int, p_reason text, p_by text, p_source text
) returns table(seconds int, end_reason text, already_closed boolean)
language sql as $$ select * from call_close_v2(p_call, p_epoch, p_upto, p_reason, p_by, p_source) $$;

create or replace function charge_reserve_v1(
  p_charge uuid, p_user uuid, p_key text, p_sha256 bytea, p_product text, p_model text,
  p_channel text, p_quantity bigint, p_ttl_s int
) returns table(outcome text, needed bigint, available bigint, charge generation_charges)
language sql as $$
  select case outcome when 'over_cap' then 'no_credit' else outcome end, needed, available, charge
  from charge_reserve_v2(p_charge, p_user, p_key, p_sha256, p_product, p_model, p_channel,
    p_quantity, p_ttl_s)
$$;

create or replace function charge_settle_v1(p_charge uuid, p_quantity bigint, p_model text default null)
returns table(outcome text, charge generation_charges)
language sql as $$ select * from charge_settle_v2(p_charge, p_quantity, p_model) $$;

-- Every account starts with one lot of what it has, and with what it spent this month.
insert into credit_lots(user_id, kind, priority, amount, remaining)
  select user_id, k.kind, lot_priority(k.kind), balance, balance from (
    select user_id, balance, case when paid then 'purchased' else 'free' end as kind from credits
    where balance > 0) k;
update credits k set spent = s.spent, spent_after = s.before,
    month_ends = month_end_v1('UTC', clock_timestamp())
  from (select user_id, coalesce(max(id) filter (where created_at < m.began), 0) as before,
      coalesce(-sum(amount) filter (where kind in ('call', 'generation') and created_at >= m.began),
        0)::bigint as spent
    from credit_transactions, (select date_trunc('month', clock_timestamp(), 'utc') as began) m
    group by user_id) s
  where k.user_id = s.user_id;

-- The proof obligations of lots. Debt has no lots: what is owed is not there.
create function lot_violations_v1(p_accounts uuid[] default null)   -- null: all
returns table(invariant text, key text) language sql stable as $$
  with k as (
    select * from credits where p_accounts is null or user_id = any(p_accounts)),
  lots as (
    select user_id, sum(remaining) remaining, sum(expired) expired from credit_lots
    where p_accounts is null or user_id = any(p_accounts) group by user_id)
  select 'I22 lots sum to the balance', k.user_id::text from k left join lots using (user_id)
    where k.balance <> coalesce(lots.remaining, 0)
  union all
  select 'I23 spent this month = its debits', k.user_id::text from k left join lateral (
      select -sum(amount) a from credit_transactions t where t.user_id = k.user_id
        and t.id > k.spent_after and t.kind in ('call', 'generation')) t on true
    where k.spent <> coalesce(t.a, 0)
  union all
  select 'I24 what expired is in the ledger', k.user_id::text
    from k left join lots using (user_id) left join lateral (
      select -sum(amount) a from credit_transactions t
        where t.user_id = k.user_id and t.kind = 'expiry') t on true
    where coalesce(lots.expired, 0) <> coalesce(t.a, 0)
  union all
  select 'I25 a lot is no more than its posting', l.id::text
    from credit_lots l join credit_transactions t on t.id = l.posting
    where (p_accounts is null or l.user_id = any(p_accounts))
      and (t.user_id <> l.user_id or l.amount > t.amount)
$$;

create function recent_violations_v2(p_since timestamptz)
returns table(invariant text, key text) language plpgsql as $$
#variable_conflict use_column
begin
  return query select * from recent_violations_v1(p_since);
  return query select * from lot_violations_v1(array(
    select user_id from call_sessions where state in ('authorized', 'active')
    union select user_id from credit_transactions where created_at >= p_since));
end $$;

do $$
declare books text := rtrim(trim(pg_get_viewdef('invariant_violations')), ';');
begin
  execute 'create or replace view invariant_violations as ' || books
    || ' union all select invariant, key from lot_violations_v1()';
end $$;
