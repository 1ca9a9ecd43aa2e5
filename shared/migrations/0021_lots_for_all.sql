-- From here on every account has lots: the older functions keep them too, and what is there becomes
-- the first ones. All of it in one transaction, in which nobody else touches a balance: a balance that
-- changed between the first lot and the function that keeps lots would not be their sum.

lock table credits in access exclusive mode;

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

-- As v1, with the lots, payments and invoices of the accounts that changed since then.
create function recent_violations_v2(p_since timestamptz)
returns table(invariant text, key text) language plpgsql set plan_cache_mode = force_custom_plan as $$
#variable_conflict use_column
declare accounts uuid[] := array(
  select user_id from call_sessions where state in ('authorized', 'active')
  union select user_id from credit_transactions where created_at >= p_since
  union select user_id from payments where synced_at >= p_since
  union select user_id from subscription_invoices where synced_at >= p_since);
begin
  return query select * from recent_violations_v1(p_since);
  return query select * from lot_violations_v1(accounts);
  return query select * from payment_violations_v1(accounts);
  return query select * from subscription_violations_v1(accounts);
end $$;

do $$
declare books text := rtrim(trim(pg_get_viewdef('invariant_violations')), ';');
begin
  execute 'create or replace view invariant_violations as ' || books
    || ' union all select invariant, key from lot_violations_v1()';
end $$;
