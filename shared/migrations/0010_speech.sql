-- Speech by REST: what was made, who has it, what it cost, and voices to speak with.

-- Voices. provider_name: what the provider calls it, where that is another name than ours; version
-- changes whenever the same voice would sound otherwise, so nothing made before is served for it.
alter table voices
  add column provider_name text,
  add column version int not null default 1 check (version > 0),
  add column disabled_at timestamptz,
  add column reference_key text,              -- the recording of a clone, an object's key
  add column consent_id uuid,
  add column sample_url text,
  add column sample_prompt text,
  add column is_nsfw boolean not null default false,
  add column type text;
drop index voices_public_name;                -- gpro and gpro31 have voices of the same names
create unique index voices_public_name on voices(feature, model, name) where user_id is null;
create index voices_by_user on voices(user_id) where user_id is not null;

-- Objects that no row owns: being written (a key stands here before its bytes are stored, and leaves
-- in the transaction that makes them known), or to be deleted. So every object has a row, here or in
-- audio_objects, whatever crashes. The jobs delete what is due, then the row.
create table loose_objects(
  object_key text primary key,
  charge_id uuid,                             -- spared while this charge may still be settled
  sweep_after timestamptz not null
);
create index loose_objects_due on loose_objects(sweep_after);

-- Stored audio, checked before it was charged. One row of a digest at most is the cached one, which
-- answers later orders; `owner` is set where only one account may hear the voice.
create table audio_objects(
  object_key text primary key,
  digest bytea not null check (octet_length(digest) = 32),
  is_cached boolean not null,
  audio_format text not null,
  size_bytes bigint not null check (size_bytes > 0),
  duration_ms int not null check (duration_ms > 0),
  codec text not null,
  sample_rate_hz int not null,
  channels int not null,
  peak_dbfs real not null,
  loudness_lufs real not null,
  provider text not null,
  provider_model text not null,               -- that did the work
  voice_id uuid not null references voices,
  voice_version int not null,
  owner uuid references profiles,
  input_characters int not null,
  created_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz not null             -- deleted after it, once no history refers to it
);
create unique index audio_objects_cached on audio_objects(digest) where is_cached;
create index audio_objects_expiring on audio_objects(expires_at);
create index audio_objects_by_voice on audio_objects(voice_id);

-- An account's history: one row for each paid generation. Deleting is a mark that can be taken back.
create table audio_files(
  id uuid primary key,
  user_id uuid not null references profiles,
  voice_id uuid not null references voices,
  object_key text references audio_objects on delete set null,  -- null: the audio was purged
  charge_id uuid not null unique references generation_charges,
  text_content text not null,
  model text not null,
  source_type text not null
    check (source_type in ('tts', 'voice_cloning', 'api_tts', 'api_voice_cloning')),
  cost bigint not null check (cost > 0),      -- micro-credits
  duration_ms int not null,
  usage jsonb not null default '{}',
  api_key_id uuid,
  request_id text,
  status text not null default 'active' check (status in ('active', 'deleted')),
  created_at timestamptz not null default clock_timestamp(),
  deleted_at timestamptz,
  check ((status = 'deleted') = (deleted_at is not null))
);
create index audio_files_by_user on audio_files(user_id, created_at desc, id desc);
create index audio_files_by_object on audio_files(object_key) where object_key is not null;
create index audio_files_active_by_age on audio_files(created_at) where status = 'active';
create index audio_files_deleted_by_age on audio_files(deleted_at) where status = 'deleted';

-- What was used, for good: it survives the history and the audio. No texts.
create table generation_usage(
  charge_id uuid primary key references generation_charges,
  user_id uuid not null references credits,
  source_type text not null
    check (source_type in ('tts', 'voice_cloning', 'api_tts', 'api_voice_cloning')),
  source_id uuid not null,                    -- the row of the history, as it was then
  voice_model text not null,                  -- ours, as in the catalogue
  model text not null,                        -- the provider's, that did the work
  unit text not null check (unit in ('chars', 'secs', 'operation')),
  quantity bigint not null check (quantity > 0),
  cost bigint not null check (cost > 0),      -- micro-credits
  input_chars int not null check (input_chars >= 0),
  output_chars int not null default 0 check (output_chars >= 0),
  duration_ms int not null check (duration_ms >= 0),
  api_key_id uuid,
  request_id text,
  occurred_at timestamptz not null default clock_timestamp()
);
create index generation_usage_by_user on generation_usage(user_id, occurred_at desc, charge_id desc);
create index generation_usage_by_key on generation_usage(api_key_id, occurred_at)
  where api_key_id is not null;

-- Charges of the desk have keys of their own, so that the view can tell them from other paid work.
create view speech_violations as
select 'I15 a settled generation has its audio' as invariant, g.id::text as key
  from generation_charges g left join generation_usage u on u.charge_id = g.id
  where g.state = 'settled' and g.idempotency_key like 'speech:%' and u.cost is distinct from g.cost
union all
select 'I16 audio is paid for', u.charge_id::text
  from generation_usage u join generation_charges g on g.id = u.charge_id
  where g.state <> 'settled' or g.user_id <> u.user_id
union all
select 'I16 audio is paid for', f.charge_id::text
  from audio_files f left join generation_usage u on u.charge_id = f.charge_id
  where u.user_id is distinct from f.user_id or u.cost is distinct from f.cost;

do $$
declare books text := rtrim(trim(pg_get_viewdef('invariant_violations')), ';');
begin
  execute 'create or replace view invariant_violations as ' || books
    || ' union all select invariant, key from speech_violations';
end $$;

-- Everybody's voices. Whether one can be used depends on whether its provider has a key.
insert into voices(id, name, model, feature, language, description, sort_order, is_public)
select ('00000000-0000-4000-a000-' || lpad(to_hex(x'1000'::int + row_number() over ()), 12, '0'))::uuid,
  v.name, v.model, 'tts', v.language, v.description, v.sort_order, true
from (values
  ('ara', 'local', 'en', 'demo, female', 0), ('eve', 'local', 'en', 'demo, female', 1),
  ('rex', 'local', 'en', 'demo, male', 2), ('leo', 'local', 'en', 'demo, male', 3),
  ('sal', 'local', 'en', 'demo, neutral', 4), ('alloy', 'local', 'multiple', 'demo', 5),
  ('marin', 'local', 'multiple', 'demo', 6),
  ('ara', 'xai', 'multiple', 'female, warm', 10), ('rex', 'xai', 'multiple', 'male, confident', 11),
  ('sal', 'xai', 'multiple', 'neutral, smooth', 12),
  ('eve', 'xai', 'multiple', 'female, energetic', 13),
  ('leo', 'xai', 'multiple', 'male, authoritative', 14),
  ('dan', 'orpheus', 'en', 'male', 30), ('emma', 'orpheus', 'en', 'female', 31),
  ('josh', 'orpheus', 'en', 'male', 32), ('tara', 'orpheus', 'en', 'female', 33),
  ('alloy', 'openai', 'multiple', null, 40), ('marin', 'openai', 'multiple', null, 41),
  ('nova', 'openai', 'multiple', null, 42), ('onyx', 'openai', 'multiple', null, 43)
) v(name, model, language, description, sort_order);

insert into voices(id, name, model, feature, description, sort_order, is_public)
select ('00000000-0000-4000-a000-' || lpad(to_hex(x'2000'::int + row_number() over ()), 12, '0'))::uuid,
  n.name, m.model, 'tts', n.description, m.sort_order + n.place::int, true
from (values ('gpro', 50), ('gpro31', 70)) m(model, sort_order), unnest(
  '{achernar,aoede,autonoe,callirrhoe,despina,erinome,gacrux,kore,puck,sulafat,zephyr}'::text[],
  '{soft,breezy,bright,easy-going,smooth,clear,mature,firm,upbeat,warm,bright}'::text[]
) with ordinality n(name, description, place);

-- A new card: what the one in force says, and a price for each model it has none for. Upstream's
-- 1.1 credits a token, twice that for free accounts on 3.1, and its fallback's own price.
do $$
declare old int := rate_card_in_force(); card int;
begin
  insert into rate_cards(version, effective_from, published_by, reason)
    select max(version) + 1, clock_timestamp(), 'migration', 'speech by model' from rate_cards
    returning version into card;
  insert into rates(version, product, model, plan, channel, unit, price_microcredits, per_units,
      minimum_microcredits)
    select card, product, model, plan, channel, unit, price_microcredits, per_units,
      minimum_microcredits from rates where version = old
    union all
    select card, n.product, n.model, n.plan, '*', n.unit, n.price, 1, 0 from (values
      ('speech', 'gpro', '*', 'token', 1100000),
      ('speech', 'gpro31', '*', 'token', 1100000),
      ('speech', 'gpro31', 'free', 'token', 2200000),
      ('speech', 'gemini-2.5-flash-preview-tts', '*', 'token', 1100000),
      ('speech', 'xai', '*', 'character', 1000000),
      ('speech', 'orpheus', '*', 'character', 4000000),
      ('speech', 'local', '*', 'character', 1000000),
      ('speech', '*', '*', 'character', 4000000),
      ('clone', 'voxtral', '*', 'character', 11000000),
      ('clone', 'chatterbox', '*', 'character', 11000000),
      ('clone', 'chatterbox-multilingual', '*', 'character', 11000000),
      ('clone', 'local-clone', '*', 'character', 1000000),
      ('clone', '*', '*', 'character', 11000000)) n(product, model, plan, unit, price)
    where not exists (select from rates r where r.version = old and r.product = n.product
      and r.model = n.model and r.plan = n.plan and r.channel = '*');
end $$;
