-- Daily free credits, the limits people set for themselves, and what they are to be told.

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
