-- Generations that are paid from lots: what is used now of reserve and settle.

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
