-- Credit lots: what a balance is made of. The design: docs/lots.md.
--
-- The hot path stays on one row: holds and grants know only `credits`. A lot changes when the balance
-- does, in the same transaction and under the lock of the account's credits row, so that
-- sum(remaining) = balance at every instant. The balance is never negative: debt has a column of its
-- own and no lots.
--
-- Lock order: credits (by user), calls (by id), charges, then lots, daily_grants, account_settings.

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

-- A claw-back of a payment whose credit has expired in part: that part is gone already, and is not
-- taken, or owed, a second time. Returns the micro-credits. The caller has the lock.
create function lots_unexpire_v1(p_user uuid, p_amount bigint, p_origin text, p_posting bigint)
returns bigint language plpgsql as $$
declare l record; back bigint; total bigint := 0;
begin
  for l in select id, expired from credit_lots
      where user_id = p_user and origin = p_origin and expired > 0 order by id loop
    back := least(p_amount - total, l.expired);
    exit when back = 0;
    update credit_lots set expired = expired - back where id = l.id;
    insert into credit_transactions(user_id, kind, amount, source, source_id)
      values (p_user, 'expiry', back, 'expiry', l.id || ':back:' || p_posting);
    total := total + back;
  end loop;
  return total;
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
declare k credits; old credit_lots; t bigint; owed bigint; taken bigint; added bigint; lot text;
  from_ text := coalesce(p_origin, case p_source when 'stripe' then split_part(p_source_id, ':', 1) end);
begin
  select * into k from credits where user_id = p_user for no key update;
  if not found then raise exception 'no such account' using errcode = 'P0002'; end if;
  insert into credit_transactions(user_id, kind, amount, source, source_id, reason, actor)
    values (p_user, p_kind, p_amount, p_source, p_source_id, p_reason, p_actor)
    on conflict (source, source_id) do nothing returning id into t;
  if not found then return false; end if;
  if p_amount < 0 then
    owed := -p_amount - lots_unexpire_v1(p_user, -p_amount, from_, t);
    taken := least(owed, k.balance - k.reserved);
    update credits set balance = balance - taken, debt = debt + (owed - taken)
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
