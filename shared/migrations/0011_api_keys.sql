-- API keys: what programs prove themselves with, and how much of the account each may spend.
--
-- Lock order: credits (by user), calls, charges, then api_keys. Nothing that holds an api_keys row
-- waits for another lock.

create table api_keys(
  id uuid primary key,
  user_id uuid not null references profiles,
  key_hash bytea not null unique check (octet_length(key_hash) = 32),  -- HMAC-SHA256, not the key
  key_prefix text not null check (length(key_prefix) = 12),
  name text not null check (length(name) between 1 and 100),
  scopes text[] not null check (cardinality(scopes) between 1 and 32),
  metadata jsonb not null default '{}',
  credit_limit bigint check (credit_limit > 0),       -- micro-credits in its whole life; null: none
  credit_used bigint not null default 0 check (credit_used >= 0),  -- open holds + costs of its charges
  is_active boolean not null default true,
  created_at timestamptz not null default clock_timestamp(),
  last_used_at timestamptz,
  expires_at timestamptz,
  check (credit_used <= credit_limit)
) with (fillfactor = 70);
create index api_keys_by_user on api_keys(user_id, created_at desc);

alter table generation_charges add column api_key_id uuid references api_keys;
create index generation_charges_by_key on generation_charges(api_key_id, created_at desc)
  where api_key_id is not null;

-- credit_used follows each charge of a key in the statement that changes the charge, so it cannot
-- drift: whoever settles, releases or expires one does not have to know of keys.
create function api_key_follow_charge() returns trigger language plpgsql as $$
declare before bigint := 0; after bigint;
begin
  if tg_op = 'UPDATE' and old.api_key_id is not null then
    if new.api_key_id is distinct from old.api_key_id then
      raise exception 'a charge stays with its key' using errcode = '42501';
    end if;
    before := case old.state when 'reserved' then old.hold else old.cost end;
  end if;
  after := case new.state when 'reserved' then new.hold else new.cost end;
  if after <> before then
    update api_keys set credit_used = credit_used + after - before where id = new.api_key_id;
  end if;
  return null;
end $$;
create trigger generation_charges_of_keys
  after insert or update of state, hold, cost, api_key_id on generation_charges
  for each row when (new.api_key_id is not null) execute function api_key_follow_charge();

-- Say which key an open charge is for, in the transaction that reserved it. Outcomes: 'taken',
-- 'known' (it is this key's already), 'no_key' (revoked, expired or another account's),
-- 'no_quota', where available says how much is left. Only 'taken' changes anything.
create function api_key_take_charge_v1(p_key uuid, p_owner uuid, p_charge uuid)
returns table(outcome text, needed bigint, available bigint) language plpgsql as $$
#variable_conflict use_column
declare k api_keys; c generation_charges;
begin
  select * into k from api_keys where id = p_key and user_id = p_owner for no key update;
  if not found or not k.is_active or k.expires_at <= clock_timestamp() then
    return query select 'no_key', 0::bigint, 0::bigint; return;
  end if;
  select * into strict c from generation_charges where id = p_charge and user_id = p_owner;
  if c.api_key_id = p_key then
    return query select 'known', c.hold, k.credit_limit - k.credit_used; return;
  end if;
  if k.credit_used + c.hold > k.credit_limit then
    return query select 'no_quota', c.hold, k.credit_limit - k.credit_used; return;
  end if;
  update generation_charges set api_key_id = p_key where id = p_charge;
  return query select 'taken', c.hold, k.credit_limit - k.credit_used - c.hold;
end $$;

create view api_key_violations as
select 'I17 a key has used what its charges took' as invariant, k.id::text as key
  from api_keys k left join (
    select api_key_id, sum(case state when 'reserved' then hold else cost end) a
    from generation_charges where api_key_id is not null group by api_key_id) g
    on g.api_key_id = k.id
  where k.credit_used <> coalesce(g.a, 0);

do $$
declare books text := rtrim(trim(pg_get_viewdef('invariant_violations')), ';');
begin
  execute 'create or replace view invariant_violations as ' || books
    || ' union all select invariant, key from api_key_violations';
end $$;
