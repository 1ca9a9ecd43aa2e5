-- The phone: numbers of an account, its PIN, entries of those who knew it, and prices by prefix.
-- Caller ID is a hint that says whose PIN is asked for; it never pays by itself.

create table phone_numbers(
  id uuid primary key,
  user_id uuid not null references profiles,
  number text not null check (number ~ '^\+[1-9][0-9]{6,14}$'),
  language text not null,
  verified_at timestamptz,
  code text,                                  -- entered on the keypad by who has the phone
  code_expires_at timestamptz,
  code_failures int not null default 0,
  created_at timestamptz not null default clock_timestamp(),
  unique (user_id, number),
  check (verified_at is not null or code is not null)
);
-- Numbers change hands: who proves it last has it (phone_claim_v1 takes it from the one before).
create unique index phone_numbers_verified on phone_numbers(number) where verified_at is not null;
create index phone_numbers_claims on phone_numbers(number) where verified_at is null;

create table phone_pins(
  user_id uuid primary key references profiles,
  salt bytea not null,
  hash bytea not null,
  failures int not null default 0,            -- wrong ones since the last right one
  locked_until timestamptz,
  set_at timestamptz not null default clock_timestamp()
);

-- Somebody who knew the PIN may have one call, soon.
create table phone_entries(
  id uuid primary key,
  user_id uuid not null references profiles,
  number_id uuid not null references phone_numbers on delete cascade,
  expires_at timestamptz not null,
  used_at timestamptz
);
create index phone_entries_by_number on phone_entries(number_id);
create index phone_entries_by_user on phone_entries(user_id);

-- An attempt counts before it is judged, so that no number of parallel guesses gets more of them.
-- No row: there is no PIN. allowed false: locked, and nothing was counted.
create function phone_pin_attempt_v1(p_user uuid, p_free int, p_lock_s int, p_lock_max_s int)
returns table(salt bytea, hash bytea, allowed boolean, locked_s int) language plpgsql as $$
declare p phone_pins; n int;
begin
  select * into p from phone_pins k where k.user_id = p_user for no key update;
  if not found then return; end if;
  if p.locked_until > clock_timestamp() then
    return query select null::bytea, null::bytea, false,
      ceil(date_part('epoch', p.locked_until - clock_timestamp()))::int;
    return;
  end if;
  n := least(p.failures + 1, 10000);
  update phone_pins k set failures = n, locked_until = case when n % p_free = 0 then
      clock_timestamp() + make_interval(
        secs => least(p_lock_max_s::float8, p_lock_s * 2.0 ^ least(n / p_free - 1, 30)))
    end where k.user_id = p_user;
  return query select p.salt, p.hash, true, 0;
end $$;

-- The number belongs to whoever's code was entered from it. Returns the claim, or nothing; a wrong
-- code counts against every claim of the number.
create function phone_claim_v1(p_number text, p_code text, p_failures_max int)
returns setof phone_numbers language plpgsql as $$
declare claim phone_numbers;
begin
  perform 1 from phone_numbers n where n.number = p_number order by n.id for update;
  select * into claim from phone_numbers n where n.number = p_number and n.verified_at is null
    and n.code = p_code and n.code_expires_at > clock_timestamp()
    and n.code_failures < p_failures_max
    order by n.created_at desc limit 1;
  if not found then
    update phone_numbers n set code_failures = n.code_failures + 1
      where n.number = p_number and n.verified_at is null;
    return;
  end if;
  delete from phone_numbers n where n.number = p_number and n.verified_at is not null;
  return query update phone_numbers n set verified_at = clock_timestamp(), code = null,
      code_expires_at = null, code_failures = 0 where n.id = claim.id returning n.*;
end $$;

-- Prices by channel and prefix: 'phone' for all telephones, 'phone:+49' for those of a country,
-- 'phone:+4915' for its mobiles. The longest that fits counts.
alter table rates drop constraint rates_channel_check;
alter table rates add constraint rates_channel_check
  check (channel in ('*', 'web', 'api', 'phone') or channel ~ '^phone:\+[1-9][0-9]{0,6}$');

create function rate_for_v2(p_version int, p_product text, p_model text, p_plan text, p_channel text)
returns setof rates language sql stable as $$
  select * from rates where version = p_version and product = p_product
    and model in (p_model, '*') and plan in (p_plan, '*')
    and (channel in (p_channel, '*')
      or (starts_with(p_channel, 'phone:') and starts_with(p_channel, channel)))
  order by model = '*', plan = '*', channel = '*', length(channel) desc limit 1
$$;
