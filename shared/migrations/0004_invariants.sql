-- What must hold at every instant. Each violation is a row; the view must be empty.

create view invariant_violations as
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
select 'I4 balance = ledger + debt', k.user_id::text
  from credits k left join (
    select user_id, sum(amount) a from credit_transactions group by user_id) t using (user_id)
  where k.balance <> coalesce(t.a, 0) + k.debt
union all
select 'I5 reserved = open holds', k.user_id::text
  from credits k left join (
    select user_id, sum(call_cost(price_microcredits_per_minute, granted)) a from call_sessions
    where state in ('authorized', 'active') group by user_id) t using (user_id)
  where k.reserved <> coalesce(t.a, 0)
union all
select 'I6 a segment has a call', e.call_id::text
  from usage_events e left join call_sessions s on s.id = e.call_id where s.id is null
union all
select 'I7 nobody overspends', user_id::text
  from credits where reserved < 0 or reserved > balance
union all
select 'I8 billed within the grant', id::text
  from call_sessions where seconds > granted;
