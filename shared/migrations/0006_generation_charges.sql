-- One-shot work: reserve -> settle | release. The twin of a call that has one segment.
--
-- Lock order everywhere: credits (by user), then calls (by id), then charges. Nothing locks a charge
-- without the credits row of its account.

create function generation_cost(
  price bigint, per_units int, minimum bigint, quantity bigint
) returns bigint language sql immutable parallel safe as
$$ select greatest(minimum, (quantity * price + per_units - 1) / per_units) $$;

create table generation_charges(
  id uuid primary key,
  user_id uuid not null references credits,
  state text not null default 'reserved' check (state in ('reserved', 'settled', 'released')),
  idempotency_key text not null check (length(idempotency_key) between 1 and 255),
  request_sha256 bytea not null check (octet_length(request_sha256) = 32),
  product text not null check (product in ('speech', 'clone')),
  model text not null,                        -- that was asked for; once settled, that did the work
  plan text not null,
  channel text not null,
  unit text not null,
  rate_card_version int not null,             -- no foreign key, as in call_sessions
  price_microcredits bigint not null check (price_microcredits > 0),
  per_units int not null check (per_units > 0),
  minimum_microcredits bigint not null check (minimum_microcredits >= 0),
  hold bigint not null check (hold > 0),
  quantity bigint check (quantity between 1 and 10000000),    -- delivered, in units
  cost bigint not null default 0,
  created_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz not null,
  ended_at timestamptz,
  end_reason text,
  unique (user_id, idempotency_key),
  check ((state = 'reserved') = (ended_at is null)),
  check ((state = 'settled') = (quantity is not null)),
  check (cost = case when state = 'settled' then least(hold,
    generation_cost(price_microcredits, per_units, minimum_microcredits, quantity)) else 0 end)
);
create index generation_charges_open on generation_charges(expires_at) where state = 'reserved';
create index generation_charges_by_user on generation_charges(user_id, created_at desc);
create index generation_charges_ended on generation_charges(ended_at) where state = 'settled';

alter table credit_transactions add column charge_id uuid;
create index credit_transactions_by_charge on credit_transactions(charge_id)
  where charge_id is not null;

-- Hold what p_quantity units cost at most, at the card in force. The outcome is a word:
-- 'reserved'; 'known' (this key and request before, whatever became of it); 'conflict' (this key,
-- another request); 'no_price'; 'no_credit', where needed and available say how much. Only 'reserved'
-- changes anything.
create function charge_reserve_v1(
  p_charge uuid, p_user uuid, p_key text, p_sha256 bytea, p_product text, p_model text,
  p_channel text, p_quantity bigint, p_ttl_s int
) returns table(outcome text, needed bigint, available bigint, charge generation_charges)
language plpgsql as $$
#variable_conflict use_column
declare k credits; c generation_charges; r rates; h bigint; used_plan text;
begin
  select * into k from credits where user_id = p_user for no key update;
  if not found then return query select 'no_credit', 0::bigint, 0::bigint, c; return; end if;
  select * into c from generation_charges where user_id = p_user and idempotency_key = p_key;
  if found then
    return query select case when c.request_sha256 = p_sha256 then 'known' else 'conflict' end,
      c.hold, k.balance - k.reserved, c;
    return;
  end if;
  used_plan := case when k.paid then 'paid' else 'free' end;
  select * into r from rate_for_v1(rate_card_in_force(), p_product, p_model, used_plan, p_channel);
  if not found then
    return query select 'no_price', 0::bigint, k.balance - k.reserved, c; return;
  end if;
  h := generation_cost(r.price_microcredits, r.per_units, r.minimum_microcredits, p_quantity);
  if k.debt > 0 or k.balance - k.reserved < h then
    return query select 'no_credit', h, k.balance - k.reserved, c; return;
  end if;
  insert into generation_charges(id, user_id, idempotency_key, request_sha256, product, model, plan,
      channel, unit, rate_card_version, price_microcredits, per_units, minimum_microcredits, hold,
      expires_at)
    values (p_charge, p_user, p_key, p_sha256, p_product, p_model, used_plan, p_channel, r.unit,
      r.version, r.price_microcredits, r.per_units, r.minimum_microcredits, h,
      clock_timestamp() + make_interval(secs => p_ttl_s))
    returning * into c;
  update credits set reserved = reserved + h where user_id = p_user;
  return query select 'reserved', h, k.balance - k.reserved - h, c;
end $$;

-- Bill what was delivered, never more than was held, with one debit. Past its expiry a charge can
-- still be settled as long as nobody has released it: the hold is there.
-- p_model: another model of the same unit did the work; its price on the same card counts then.
-- Outcomes: 'settled', 'known' (settled before, as it was), 'released' (too late), 'no_price'.
create function charge_settle_v1(p_charge uuid, p_quantity bigint, p_model text default null)
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
  update credits set reserved = reserved - c.hold, balance = balance - c.cost where user_id = u;
  insert into credit_transactions(user_id, kind, amount, charge_id, source, source_id)
    values (u, 'generation', -c.cost, p_charge, 'generation', p_charge::text);
  return query select 'settled', c;
end $$;

-- Give the hold back. Outcomes: 'released', 'known' (released before), 'settled' (stays so).
create function charge_release_v1(p_charge uuid, p_reason text)
returns table(outcome text, charge generation_charges) language plpgsql as $$
#variable_conflict use_column
declare u uuid; c generation_charges;
begin
  select user_id into u from generation_charges where id = p_charge;
  if not found then return; end if;
  perform 1 from credits where user_id = u for no key update;
  select * into c from generation_charges where id = p_charge for no key update;
  if c.state <> 'reserved' then
    return query select case c.state when 'settled' then 'settled' else 'known' end, c; return;
  end if;
  update generation_charges set state = 'released', ended_at = clock_timestamp(),
    end_reason = p_reason where id = p_charge returning * into c;
  update credits set reserved = reserved - c.hold where user_id = u;
  return query select 'released', c;
end $$;

-- Release what nobody ended in time, the oldest first. It locks many accounts, so it must wait for
-- none: an account that is busy now comes next round, and no deadlock can include us. Accounts are
-- chosen before charges, so that many old charges of a busy one hide nobody else's.
create function charge_expire_v1(p_limit int) returns setof generation_charges
language plpgsql as $$
declare due timestamptz := clock_timestamp(); us uuid[]; ids uuid[];
begin
  us := array(select user_id from credits where user_id in (
      select user_id from generation_charges where state = 'reserved' and expires_at < due
      group by user_id order by min(expires_at) limit p_limit)
    order by user_id for no key update skip locked);
  ids := array(select id from generation_charges
    where state = 'reserved' and expires_at < due and user_id = any(us)
    order by expires_at limit p_limit for no key update skip locked);
  update credits k set reserved = k.reserved - d.held from (
      select user_id, sum(hold)::bigint held from generation_charges where id = any(ids)
      group by user_id) d
    where k.user_id = d.user_id;
  return query update generation_charges set state = 'released', ended_at = clock_timestamp(),
    end_reason = 'expired' where id = any(ids) returning *;
end $$;

-- The proof obligations, now over calls and charges.
create or replace view invariant_violations as
select 'I1 segments sum to the call' as invariant, s.id::text as key
  from call_sessions s left join (
    select call_id, sum(end_s - start_s) n, sum(cost) c from usage_events group by call_id) e
    on e.call_id = s.id
  where coalesce(e.n, 0) <> s.seconds or coalesce(e.c, 0) <> s.cost
union all
select 'I2 segments are contiguous', call_id::text from (
    select call_id, start_s, lag(end_s, 1, 0) over (partition by call_id order by start_s) previous
    from usage_events) x
  where start_s <> previous
union all
select 'I3 a closed call has one debit of its cost', s.id::text
  from call_sessions s left join (
    select call_id, count(*) n, sum(amount) a from credit_transactions where kind = 'call'
    group by call_id) t on t.call_id = s.id
  where (s.state = 'closed' and s.cost > 0 and (coalesce(t.n, 0) <> 1 or t.a <> -s.cost))
     or ((s.state <> 'closed' or s.cost = 0) and t.n is not null)
union all
select 'I3 a settled charge has one debit of its cost', coalesce(g.id::text, t.charge_id::text, 'none')
  from generation_charges g full join (
    select charge_id, count(*) n, sum(amount) a from credit_transactions where kind = 'generation'
    group by charge_id) t on t.charge_id = g.id
  where g.id is null
     or (g.state = 'settled' and (coalesce(t.n, 0) <> 1 or t.a <> -g.cost))
     or (g.state <> 'settled' and t.n is not null)
union all
select 'I4 balance = ledger + debt', k.user_id::text
  from credits k left join (
    select user_id, sum(amount) a from credit_transactions group by user_id) t using (user_id)
  where k.balance <> coalesce(t.a, 0) + k.debt
union all
select 'I5 reserved = open holds', k.user_id::text
  from credits k left join (
    select user_id, sum(held) a from (
      select user_id, call_cost(price_microcredits_per_minute, granted) held from call_sessions
        where state in ('authorized', 'active')
      union all
      select user_id, hold from generation_charges where state = 'reserved') h
    group by user_id) t using (user_id)
  where k.reserved <> coalesce(t.a, 0)
union all
select 'I6 a segment has a call', e.call_id::text
  from usage_events e left join call_sessions s on s.id = e.call_id where s.id is null
union all
select 'I7 nobody overspends', user_id::text
  from credits where reserved < 0 or reserved > balance
union all
select 'I8 billed within the grant', id::text
  from call_sessions where seconds > granted
union all
select 'I8 billed within the hold', id::text
  from generation_charges where cost > hold
union all
select 'I14 a price is from a rate card', id::text from (
    select id, rate_card_version from call_sessions
    union all select id, rate_card_version from generation_charges) c
  where not exists (select 1 from rate_cards r where r.version = c.rate_card_version);
