-- Watching the books: a check over what changed lately, its history, and the pulse for the gauges.

create index call_sessions_ended on call_sessions(ended_at) where ended_at is not null;
create index credit_transactions_lately on credit_transactions using brin(created_at);

create table book_checks(
  id bigint generated always as identity primary key,
  scope text not null check (scope in ('recent', 'all', 'media')),
  checked_at timestamptz not null default clock_timestamp(),
  violations int not null,
  first_violation text
);

-- invariant_violations (I1-I5) for the calls and accounts that changed since then. Costs what changed,
-- not what there is; the whole view runs nightly.
create function recent_violations_v1(p_since timestamptz)
returns table(invariant text, key text) language plpgsql as $$
declare calls uuid[]; accounts uuid[];
begin
  calls := array(
    select s.id from call_sessions s where s.state in ('authorized', 'active')
    union select s.id from call_sessions s where s.ended_at >= p_since);
  accounts := array(
    select s.user_id from call_sessions s where s.id = any(calls)
    union select t.user_id from credit_transactions t where t.created_at >= p_since);
  return query
  with mine as materialized (
    select s.* from call_sessions s where s.id = any(calls)),
  segments as materialized (
    select e.call_id, e.start_s, e.end_s, e.cost,
      lag(e.end_s, 1, 0) over (partition by e.call_id order by e.start_s) previous
    from usage_events e where e.call_id = any(calls)),
  sums as (
    select call_id, sum(end_s - start_s) n, sum(cost) c, bool_or(start_s <> previous) broken
    from segments group by call_id),
  debits as (
    select t.call_id, count(*) n, sum(t.amount) a from credit_transactions t
    where t.kind = 'call' and t.call_id = any(calls) group by t.call_id),
  ledger as (
    select t.user_id, sum(t.amount) a from credit_transactions t
    where t.user_id = any(accounts) group by t.user_id),
  holds as (
    select h.user_id, sum(h.held) a from (
      select s.user_id, call_cost(s.price_microcredits_per_minute, s.granted) held
        from call_sessions s where s.state in ('authorized', 'active') and s.user_id = any(accounts)
      union all
      select g.user_id, g.hold from generation_charges g
        where g.state = 'reserved' and g.user_id = any(accounts)) h
    group by h.user_id)
  select 'I1 segments sum to the call', m.id::text from mine m left join sums on sums.call_id = m.id
    where coalesce(sums.n, 0) <> m.seconds or coalesce(sums.c, 0) <> m.cost
  union all
  select 'I2 segments are contiguous', sums.call_id::text from sums where sums.broken
  union all
  select 'I3 a closed call has one debit of its cost', m.id::text
    from mine m left join debits d on d.call_id = m.id
    where (m.state = 'closed' and m.cost > 0 and (coalesce(d.n, 0) <> 1 or d.a <> -m.cost))
       or ((m.state <> 'closed' or m.cost = 0) and d.n is not null)
  union all
  select 'I4 balance = ledger + debt', k.user_id::text
    from credits k left join ledger l using (user_id)
    where k.user_id = any(accounts) and k.balance <> coalesce(l.a, 0) + k.debt
  union all
  select 'I5 reserved = open holds', k.user_id::text
    from credits k left join holds h using (user_id)
    where k.user_id = any(accounts) and k.reserved <> coalesce(h.a, 0);
end $$;
