-- Accounts, their money, and the voices they may choose. Money is integer micro-credits (bigint).

create table profiles(
  id uuid primary key,
  issuer text not null,                       -- who vouches for the subject (OIDC issuer)
  subject text not null,
  email text,
  role text not null default 'user' check (role in ('user', 'support', 'operator')),
  frozen_at timestamptz,                      -- a frozen account starts nothing that costs
  created_at timestamptz not null default clock_timestamp(),
  unique (issuer, subject)
);

create table credits(
  user_id uuid primary key references profiles,
  balance bigint not null default 0 check (balance >= 0),     -- = sum(ledger) + debt
  reserved bigint not null default 0 check (reserved >= 0),   -- = sum of all open holds
  debt bigint not null default 0 check (debt >= 0),           -- clawed back beyond what was free
  paid boolean not null default false,                        -- has ever bought credit
  check (reserved <= balance)                                 -- nobody can overspend
) with (fillfactor = 70);

create table credit_transactions(
  id bigint generated always as identity primary key,
  user_id uuid not null references credits,
  kind text not null check (kind in (
    'freemium', 'topup', 'subscription_grant', 'promo', 'call', 'generation',
    'refund', 'dispute', 'dispute_reversal', 'adjust', 'expiry')),
  amount bigint not null,                     -- signed micro-credits
  call_id uuid,
  source text not null,
  source_id text not null,
  reason text,                                -- for adjust: why
  actor text,                                 -- for adjust: who
  created_at timestamptz not null default clock_timestamp(),
  unique (source, source_id)                  -- the idempotency key of every posting
);
create index credit_transactions_by_user on credit_transactions(user_id, id);
create index credit_transactions_by_call on credit_transactions(call_id) where call_id is not null;

create function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% is append-only', tg_table_name using errcode = '42501';
end $$;
create trigger credit_transactions_append_only before update or delete on credit_transactions
  for each statement execute function refuse_change();

create table voices(
  id uuid primary key,
  user_id uuid references profiles,           -- null: everybody's
  name text not null,
  model text not null,
  feature text not null default 'tts' check (feature in ('tts', 'call')),
  language text not null default 'multiple',
  description text,
  sort_order int not null default 0,
  is_public boolean not null default false,
  created_at timestamptz not null default clock_timestamp()
);
create unique index voices_public_name on voices(feature, name) where user_id is null;

-- The call voices upstream clients know by name.
insert into voices(id, name, model, feature, description, sort_order, is_public) values
  ('00000000-0000-4000-a000-000000000301', 'Ara', 'xai', 'call', 'female, warm', 0, true),
  ('00000000-0000-4000-a000-000000000302', 'Rex', 'xai', 'call', 'male, confident', 1, true),
  ('00000000-0000-4000-a000-000000000303', 'Sal', 'xai', 'call', 'neutral, smooth', 2, true),
  ('00000000-0000-4000-a000-000000000304', 'Eve', 'xai', 'call', 'female, energetic', 3, true),
  ('00000000-0000-4000-a000-000000000305', 'Leo', 'xai', 'call', 'male, authoritative', 4, true);

-- What other systems tell us. Stored first, understood later; repeated deliveries are one row.
create table webhook_inbox(
  source text not null,
  event_id text not null,
  kind text not null,
  payload jsonb not null,
  received_at timestamptz not null default clock_timestamp(),
  handled_at timestamptz,
  attempts int not null default 0,
  last_error text,
  primary key (source, event_id)
);
create index webhook_inbox_open on webhook_inbox(source, received_at) where handled_at is null;

-- Worker groups that hold calls, and how many they can hold. A heartbeat, not truth about calls.
create table workers(
  id text primary key,
  slots int not null check (slots >= 0),
  seen_at timestamptz not null default clock_timestamp()
) with (fillfactor = 50);
