-- Monthly plans, who subscribes to them, and what their invoices granted. The rules: billing/plans.py,
-- billing/features.py, billing/subscriptions.py.

-- What an account may do, one row a plan. 'free' and 'paid' are everybody's, before and after money
-- came in; the others are subscribed to, at a price of Stripe's. An account has the plan of the
-- highest rank of all that apply to it.
create table plans(
  id text primary key check (id ~ '^[a-z][a-z0-9_-]{0,39}$'),
  name text not null check (name <> ''),
  rank int not null unique,
  stripe_price text unique,                   -- null: not for sale
  currency text check (currency ~ '^[a-z]{3}$'),
  amount bigint check (amount > 0),           -- a month, in the currency's smallest unit
  credits bigint check (credits > 0),         -- a month, micro-credits
  first_month_coupon text,                    -- Stripe's id of it; the credits stay the same
  first_month_percent_off int check (first_month_percent_off between 1 and 100),
  rollover_months int check (rollover_months between 0 and 120),  -- after the period; null: for good
  rollover_credits bigint check (rollover_credits > 0),   -- kept at a renewal of what would end
  custom_characters int not null check (custom_characters >= 0),
  scenes boolean not null,
  longer_texts boolean not null,
  api_keys int not null check (api_keys >= 0),
  concurrent_calls int not null check (concurrent_calls between 1 and 1000),
  check ((amount is null) = (credits is null) and (amount is null) = (currency is null)),
  check (stripe_price is null or amount is not null),
  check (rollover_credits is null or rollover_months is not null),
  check ((first_month_coupon is null) = (first_month_percent_off is null)),
  check (id not in ('free', 'paid') or amount is null)
);

insert into plans(id, name, rank, currency, amount, credits, custom_characters, scenes, longer_texts,
    api_keys, concurrent_calls) values
  ('free',     'Free',          0,  null,  null, null,         0,  false, false, 0,  1),
  ('paid',     'Pay as you go', 10, null,  null, null,         10, true,  true,  10, 1),
  ('starter',  'Starter',       20, 'usd', 500,  11500000000,  10, true,  true,  10, 1),
  ('standard', 'Standard',      30, 'usd', 1000, 28750000000,  20, true,  true,  10, 2),
  ('pro',      'Pro',           40, 'usd', 7500, 345000000000, 50, true,  true,  20, 3);

-- What each price of Stripe's ever promised. Never changed, so that an invoice gives the same credits
-- whenever it is read; another amount or number of credits is another price at Stripe.
create table plan_prices(
  stripe_price text primary key check (stripe_price <> ''),
  plan_id text not null references plans,
  currency text not null,
  amount bigint not null check (amount > 0),
  credits bigint not null check (credits > 0),
  rollover_months int,
  rollover_credits bigint,
  created_at timestamptz not null default clock_timestamp()
);
create trigger plan_prices_append_only before update or delete or truncate on plan_prices
  for each statement execute function refuse_change();

-- A wish to subscribe, committed before Stripe is asked: its id is in the idempotency key.
create table subscription_orders(
  id uuid primary key,
  user_id uuid not null references profiles,
  request_key text not null,                  -- the same request again finds the same order
  plan_id text not null references plans,
  stripe_price text not null references plan_prices,
  coupon text,
  checkout_id text unique,
  checkout_url text,
  subscription_id text unique,                -- what came of it
  closed_at timestamptz,                      -- its page can be paid no more: another was opened
  created_at timestamptz not null default clock_timestamp(),
  unique (user_id, request_key)
);
create index subscription_orders_by_user on subscription_orders(user_id, created_at);

-- Stripe's truth as it was last read.
create table subscriptions(
  id text primary key,
  user_id uuid not null references profiles,
  plan_id text references plans,              -- null: a price that no plan of ours has
  status text not null,
  period_start timestamptz,
  period_end timestamptz,
  cancel_at_period_end boolean not null,
  returned boolean not null default false,    -- the money of its latest paid invoice went back
  synced_at timestamptz not null default clock_timestamp()
);
create index subscriptions_by_user on subscriptions(user_id);

create table subscription_invoices(
  invoice_id text primary key,
  user_id uuid not null references profiles,
  subscription_id text,
  number text,
  status text not null,
  billing_reason text not null,
  currency text not null,
  total bigint not null,                      -- smallest units, after discounts
  amount_paid bigint not null,
  credits bigint not null default 0,          -- micro-credits its paid lines give; negative: take back
  posted bigint not null default 0,           -- of them, what no charge of a card paid for
  version int not null default 0,             -- one posting each
  returned boolean not null default false,    -- all that was charged for it went back
  period_start timestamptz,                   -- of its largest line
  period_end timestamptz,
  hosted_url text,
  pdf_url text,
  created_at timestamptz not null,            -- at Stripe
  synced_at timestamptz not null default clock_timestamp()
);
create index subscription_invoices_by_user on subscription_invoices(user_id, created_at);
create index subscription_invoices_lately on subscription_invoices(synced_at);
create index subscription_invoices_by_subscription
  on subscription_invoices(subscription_id, created_at) where status = 'paid';

-- What was posted without a charge is what the ledger has of it. Empty when all is well.
create function subscription_violations_v1(p_accounts uuid[] default null)   -- null: all
returns table(invariant text, key text) language sql stable as $$
  select 'S1 an invoice posted what the ledger has', i.invoice_id
    from subscription_invoices i left join lateral (
      select sum(t.amount) a, count(*) n from credit_transactions t
      where t.source = 'stripe' and t.user_id = i.user_id
        and t.source_id in (select i.invoice_id || ':' || v from generate_series(1, i.version) v)) l
      on true
    where (p_accounts is null or i.user_id = any(p_accounts))
      and (coalesce(l.a, 0) <> i.posted or coalesce(l.n, 0) <> i.version)
  union all
  -- The shares of its charges and the rest are the whole; what came back is in the charges' own columns.
  select 'S2 an invoice gave what its lines say', i.invoice_id
    from subscription_invoices i left join lateral (
      select sum(credits) c from payments p where p.invoice_id = i.invoice_id) p on true
    where (p_accounts is null or i.user_id = any(p_accounts))
      and i.posted + coalesce(p.c, 0) <> i.credits
$$;
create view subscription_violations as select invariant, key from subscription_violations_v1();

do $$
declare books text := rtrim(trim(pg_get_viewdef('invariant_violations')), ';');
begin
  execute 'create or replace view invariant_violations as ' || books
    || ' union all select invariant, key from payment_violations'
    || ' union all select invariant, key from subscription_violations';
end $$;

-- The plan an account has now. While a renewal fails (past_due) Stripe still tries, and it stays.
create function account_plan_v1(p_user uuid) returns setof plans language sql stable as $$
  select p.* from plans p where p.id in (
    select case when c.paid then 'paid' else 'free' end from credits c where c.user_id = p_user
    union all
    select s.plan_id from subscriptions s where s.user_id = p_user and not s.returned
      and s.status in ('active', 'trialing', 'past_due'))
  order by p.rank desc limit 1
$$;
