-- The price book: numbered rate cards that are never changed. What starts freezes the card it started
-- with; a new price is a new card. The rules of publishing: billing/price_book.py.

create table rate_cards(
  version int primary key check (version > 0),
  effective_from timestamptz not null,
  published_at timestamptz not null default clock_timestamp(),
  published_by text not null check (published_by <> ''),
  reason text not null check (reason <> ''),
  published_in xid8 not null default pg_current_xact_id()     -- closes the card, see below
);

-- '*' stands for everything. The limits keep quantity * price within a bigint for 10 million units.
create table rates(
  version int not null references rate_cards,
  product text not null check (product in ('call', 'speech', 'clone')),
  model text not null check (model <> ''),
  plan text not null check (plan in ('*', 'free', 'paid')),
  channel text not null check (channel in ('*', 'web', 'api')),
  unit text not null check (unit in ('minute', 'character', 'token', 'second', 'operation')),
  price_microcredits bigint not null check (price_microcredits between 1 and 100000000000),
  per_units int not null default 1 check (per_units between 1 and 1000000),
  minimum_microcredits bigint not null default 0
    check (minimum_microcredits between 0 and 100000000000),
  primary key (version, product, model, plan, channel),       -- one price for one thing
  check ((product = 'call') = (unit = 'minute')),
  check (product <> 'call' or (per_units = 1 and minimum_microcredits = 0))  -- segments must telescope
);

create trigger rate_cards_append_only before update or delete or truncate on rate_cards
  for each statement execute function refuse_change();
create trigger rates_append_only before update or delete or truncate on rates
  for each statement execute function refuse_change();

-- A rate added to a card that others have read would be a change of it.
create function refuse_late_rates() returns trigger language plpgsql as $$
begin
  if exists (select 1 from added join rate_cards c using (version)
      where c.published_in <> pg_current_xact_id()) then
    raise exception 'a published rate card is complete' using errcode = '42501';
  end if;
  return null;
end $$;
create trigger rates_only_with_their_card after insert on rates
  referencing new table as added for each statement execute function refuse_late_rates();

-- The newest card whose time has come, by the clock of the database and no other. A card takes the
-- place of all older ones for good: an older one that was planned for later is thereby withdrawn.
create function rate_card_in_force() returns int language sql volatile as
$$ select max(version) from rate_cards where effective_from <= clock_timestamp() $$;

-- The most specific rate: an exact model counts more than an exact plan, a plan more than a channel.
-- The order is total, so one rate at most is the answer.
create function rate_for_v1(p_version int, p_product text, p_model text, p_plan text, p_channel text)
returns setof rates language sql stable as $$
  select * from rates where version = p_version and product = p_product
    and model in (p_model, '*') and plan in (p_plan, '*') and channel in (p_channel, '*')
  order by model = '*', plan = '*', channel = '*' limit 1
$$;

-- What the installation charged before it had a book, and the start of everything else.
insert into rate_cards(version, effective_from, published_by, reason)
  values (1, clock_timestamp(), 'migration', 'the first price list');
insert into rates(version, product, model, plan, channel, unit, price_microcredits) values
  (1, 'call', '*', '*', '*', 'minute', 1000000000),       -- 1,000 credits
  (1, 'speech', '*', '*', '*', 'character', 4000000),     -- upstream's 24 a word, without the words
  (1, 'speech', 'local', '*', '*', 'character', 1000000), -- the voice that needs no provider
  (1, 'clone', '*', '*', '*', 'character', 11000000),     -- upstream's 66 a word
  (1, 'clone', 'local', '*', '*', 'character', 1000000);

-- No foreign key: every authorization of every account would lock the same row of rate_cards. Cards
-- are never deleted, and the view invariant_violations looks for calls without one.
alter table call_sessions add column rate_card_version int not null default 1;
alter table call_configs add column channel text not null default 'web';

-- As v1, with the card its price was taken from.
create function call_authorize_v2(
  p_call uuid, p_user uuid, p_price bigint, p_want int, p_min_seconds int,
  p_max_seconds int, p_free_seconds int, p_version int
) returns int language plpgsql as $$
declare k credits; cap int; g int;
begin
  select * into k from credits where user_id = p_user for no key update;
  if not found or k.debt > 0 then return 0; end if;
  select granted into g from call_sessions where id = p_call;
  if found then return g; end if;                                       -- the same request again
  cap := call_cap(p_max_seconds, p_free_seconds, k.paid);
  g := least(p_want::bigint, cap::bigint, (k.balance - k.reserved) * 60 / p_price)::int;
  if g < least(p_min_seconds, cap) or g <= 0 then return 0; end if;
  insert into call_sessions(id, user_id, price_microcredits_per_minute, granted, max_seconds,
      free_seconds, final_unit, rate_card_version)
    values (p_call, p_user, p_price, g, p_max_seconds, p_free_seconds, g < p_want, p_version);
  update credits set reserved = reserved + call_cost(p_price, g) where user_id = p_user;
  return g;
end $$;
drop function call_authorize_v1(uuid, uuid, bigint, int, int, int, int);
