-- Calls that are paid from lots: what is used now of authorize, settle and close.

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
