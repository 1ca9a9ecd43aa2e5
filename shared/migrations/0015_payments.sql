-- Money in: what is sold, what was asked of Stripe, and what became of each charge.
--
-- Amounts are in the currency's smallest unit (cents, whole yen), credits are micro-credits. Whatever
-- is asked of Stripe is a row here first; its id makes the idempotency key of the request.

-- Who somebody is at Stripe. Without `customer`: it was intended, and perhaps even made.
create table stripe_customers(
  user_id uuid primary key references profiles,
  customer text unique,
  created_at timestamptz not null default clock_timestamp()
);

-- Packages of credit, their prices, and times in which they hold more. Edited by billing.packages.
create table credit_packages(
  id text primary key check (id ~ '^[a-z][a-z0-9_]{0,39}$'),
  name text not null check (length(name) between 1 and 80),
  credits bigint not null check (credits > 0),
  sort_order int not null default 0,
  is_offered boolean not null default true
);

create table package_prices(
  package_id text not null references credit_packages,
  currency text not null check (currency ~ '^[a-z]{3}$'),
  amount bigint not null check (amount > 0),
  primary key (package_id, currency)
);

create table package_promotions(
  id bigint generated always as identity primary key,
  name text not null check (length(name) between 1 and 80),
  package_id text not null references credit_packages,
  bonus bigint not null check (bonus > 0),
  starts_at timestamptz not null,
  ends_at timestamptz not null check (ends_at > starts_at)
);
create index package_promotions_by_package on package_promotions(package_id, ends_at);

-- What an amount of one's own choice buys: `credits_per_unit` micro-credits for each smallest unit.
create table topup_rates(
  currency text primary key check (currency ~ '^[a-z]{3}$'),
  credits_per_unit bigint not null check (credits_per_unit > 0),
  amount_min bigint not null check (amount_min > 0),
  amount_max bigint not null check (amount_max >= amount_min)
);

insert into credit_packages(id, name, credits, sort_order) values
  ('starter', 'Starter', 10000000000, 0),
  ('standard', 'Standard', 25000000000, 1),
  ('pro', 'Pro', 300000000000, 2);
insert into package_prices(package_id, currency, amount) values
  ('starter', 'usd', 500), ('standard', 'usd', 1000), ('pro', 'usd', 7500);
-- As dear as the smallest package: 10,000 credits for 5 dollars.
insert into topup_rates(currency, credits_per_unit, amount_min, amount_max) values
  ('usd', 20000000, 500, 50000);

-- What somebody wants to pay, with the credits they will get for it: fixed before Stripe is asked.
create table topups(
  id uuid primary key,
  user_id uuid not null references credits,
  kind text not null check (kind in ('checkout', 'auto')),
  package_id text references credit_packages,
  promotion_id bigint references package_promotions,
  amount bigint not null check (amount > 0),
  currency text not null check (currency ~ '^[a-z]{3}$'),
  credits bigint not null check (credits > 0),
  save_card boolean not null default false,
  -- intended: Stripe may or may not know; open: it does; processing: paid, and not settled yet
  state text not null default 'intended'
    check (state in ('intended', 'open', 'processing', 'paid', 'failed', 'expired', 'unknown')),
  checkout_id text unique,
  payment_intent text unique,
  failure text,                               -- Stripe's code for why not
  attempts int not null default 0,            -- to ask Stripe, after the first was lost
  due_at timestamptz not null default clock_timestamp(),
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp()
);
create index topups_by_user on topups(user_id, created_at desc);
create index topups_unsettled on topups(due_at) where kind = 'auto' and state in ('intended', 'open', 'processing');
-- One automatic payment at a time: two triggers at once pay once.
create unique index topups_one_auto on topups(user_id)
  where kind = 'auto' and state in ('intended', 'open', 'processing');

-- One row for each charge of Stripe's that was for us: what it granted, and what is left of that.
-- posted = posted_grant - posted_refund - posted_dispute = the sum of its ledger rows, always.
create table payments(
  charge_id text primary key,
  user_id uuid not null references credits,
  payment_intent text,
  invoice_id text,
  topup_id uuid references topups,
  kind text not null check (kind in ('topup', 'subscription_grant')),
  amount bigint not null check (amount >= 0),
  currency text not null,
  credits bigint not null check (credits >= 0),   -- the full grant for the full amount
  posted bigint not null default 0 check (posted >= 0),
  posted_grant bigint not null default 0 check (posted_grant >= 0),
  posted_refund bigint not null default 0 check (posted_refund >= 0),
  posted_dispute bigint not null default 0 check (posted_dispute >= 0),
  version int not null default 0 check (version >= 0),   -- ledger rows so far
  paid boolean not null default false,
  refunded bigint not null default 0 check (refunded >= 0),
  disputed bigint not null default 0 check (disputed >= 0),
  dispute_status text,
  receipt_url text,
  charged_at timestamptz not null,            -- Stripe's time
  synced_at timestamptz not null default clock_timestamp(),
  check (posted = posted_grant - posted_refund - posted_dispute)
);
create index payments_by_user on payments(user_id, charged_at desc);
create index payments_by_invoice on payments(invoice_id) where invoice_id is not null;
create index payments_by_topup on payments(topup_id) where topup_id is not null;
create index payments_lately on payments(synced_at);

-- How often the state of an object of Stripe's was written here. billing/fresh_state.py.
create table stripe_syncs(
  object_id text primary key,
  syncs bigint not null default 0
) with (fillfactor = 70);

-- Top-ups that happen by themselves. `state` needs_action: a payment failed, and nothing more is tried
-- until the person did something about it.
create table auto_topups(
  user_id uuid primary key references credits,
  is_on boolean not null default false,
  threshold bigint not null check (threshold > 0),        -- micro-credits that are free
  amount bigint not null check (amount > 0),
  currency text not null check (currency ~ '^[a-z]{3}$'),
  month_amount_max bigint not null check (month_amount_max >= amount),
  state text not null default 'ready' check (state in ('ready', 'needs_action')),
  failure text,
  updated_at timestamptz not null default clock_timestamp()
);
create index auto_topups_on on auto_topups(user_id) where is_on and state = 'ready';

-- The inbox learns to wait, to try again, and to give up where somebody can see it.
alter table webhook_inbox
  add column due_at timestamptz not null default now(),
  add column dead_at timestamptz;
create index webhook_inbox_due on webhook_inbox(source, due_at)
  where handled_at is null and dead_at is null;
create index webhook_inbox_dead on webhook_inbox(source, dead_at) where dead_at is not null;

-- What a charge posted is what the ledger has of it. Empty when all is well.
create function payment_violations_v1(p_accounts uuid[] default null)   -- null: all
returns table(invariant text, key text) language sql stable as $$
  select 'P1 a payment posted what the ledger has', p.charge_id
    from payments p left join lateral (
      select sum(t.amount) a, count(*) n from credit_transactions t
      where t.source = 'stripe' and t.user_id = p.user_id
        and t.source_id in (select p.charge_id || ':' || v from generate_series(1, p.version) v)) l on true
    where (p_accounts is null or p.user_id = any(p_accounts))
      and (coalesce(l.a, 0) <> p.posted or coalesce(l.n, 0) <> p.version)
$$;
create view payment_violations as select invariant, key from payment_violations_v1();
