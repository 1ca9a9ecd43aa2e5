-- Characters, the texts an operator may reword, and what keeps callers safe.
-- The rules: control_plane/characters/, control_plane/safety/.

-- Texts of the service: instructions, prompts of public characters, scenes, disclosures, referrals.
-- The newest version counts; what is not here is as shipped (control_plane/characters/bundled), which
-- is version 0. Going back is a new version with the old words, so history only grows.
create table texts(
  name text not null check (name ~ '^[a-z][a-z0-9/_-]{0,99}$'),
  variant text not null default '' check (variant ~ '^[A-Za-z-]{0,10}$'),  -- language or country
  version int not null check (version > 0),   -- 1, 2, 3 ... of one name and variant
  body text not null check (length(body) between 1 and 20000),
  restores int check (restores >= 0),         -- the version whose words these are again
  actor text not null,
  reason text not null,
  created_at timestamptz not null default clock_timestamp(),
  primary key (name, variant, version)
);
create trigger texts_append_only before update or delete or truncate on texts
  for each statement execute function refuse_change();

-- Everybody's characters (user_id null), whose prompts are texts, and people's own. A prompt of
-- one's own may be erased for good, so it has no history.
create table characters(
  id uuid primary key,
  user_id uuid references profiles,
  prompt_id uuid not null unique,
  voice_id uuid not null references voices,
  name text not null check (length(name) between 1 and 50),
  localized_descriptions jsonb not null default '{}',
  session_config jsonb not null,
  image text,
  sort_order int not null default 0,
  is_adult boolean not null default false,
  prompt text,                                -- null: a public one
  localized_prompts jsonb,
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  check ((user_id is null) = (prompt is null))
);
create index characters_by_user on characters(user_id, sort_order, id);

-- The ones upstream clients know by their ids. The model is a wish: see call_request.model_for.
insert into characters(id, prompt_id, voice_id, name, localized_descriptions, session_config,
  sort_order)
select ('00000000-0000-4000-a000-00000000020' || c.n)::uuid,
  ('00000000-0000-4000-a000-00000000010' || c.n)::uuid, v.id, c.name,
  jsonb_build_object('en', c.en, 'de', c.de, 'es', c.es, 'fr', c.fr),
  jsonb_build_object('model', 'grok-voice-think-fast-1.0', 'voice', v.name, 'temperature', 0.8,
    'maxOutputTokens', null), c.n - 1
from (values
  (1, 'Ramona', 'Eve', 'Quick, teasing and full of stories from a night train.',
    'Schlagfertig, neckisch und voller Geschichten aus dem Nachtzug.',
    'Rápida, burlona y llena de historias de un tren nocturno.',
    'Vive, taquine, pleine d''histoires d''un train de nuit.'),
  (2, 'Lily', 'Ara', 'Warm and patient. She keeps a flower shop and remembers small things.',
    'Warm und geduldig. Sie hat einen Blumenladen und merkt sich kleine Dinge.',
    'Cálida y paciente. Tiene una floristería y recuerda los detalles.',
    'Chaleureuse et patiente. Fleuriste, elle retient les petites choses.'),
  (3, 'Milo', 'Sal', 'Calm and curious. He maps the stars and asks good questions.',
    'Ruhig und neugierig. Er kartiert Sterne und stellt gute Fragen.',
    'Tranquilo y curioso. Cartografía estrellas y hace buenas preguntas.',
    'Calme et curieux. Il cartographie les étoiles et pose de bonnes questions.'),
  (4, 'Rafal', 'Rex', 'Direct and dry. He restores boats and says what he thinks.',
    'Direkt und trocken. Er restauriert Boote und sagt, was er denkt.',
    'Directo y seco. Restaura barcos y dice lo que piensa.',
    'Direct et pince-sans-rire. Il restaure des bateaux et dit ce qu''il pense.')
) c(n, name, voice, en, de, es, fr)
join voices v on v.name = c.voice and v.feature = 'call' and v.user_id is null;

-- What a call was made of, as far as it has a character. The words themselves are in `instructions`.
alter table call_configs
  add column character_id uuid,               -- no foreign key: a call outlives its character
  add column character_name text,
  add column prompt_version int,              -- of the public character's text; 0: as shipped
  add column scene_id text,
  add column scene_modified boolean not null default false,
  add column disclosure text,                 -- null: a call from before there was one
  add column referral text;

-- What happened in a call besides the talk. No words of anybody's.
create table call_events(
  call_id uuid not null references call_sessions,
  index int not null check (index >= 0),
  kind text not null check (kind in ('disclosed', 'crisis', 'break_reminder', 'prompt_guarded')),
  at_s double precision not null,             -- seconds since the agent joined
  created_at timestamptz not null default clock_timestamp(),
  primary key (call_id, index)
);

-- What people say of their age. The newest counts; a minor cannot become an adult by saying so.
create table age_statements(
  id bigint generated always as identity primary key,
  user_id uuid not null references profiles,
  is_adult boolean not null,
  actor text not null,                        -- 'self' or who of the staff
  created_at timestamptz not null default clock_timestamp()
);
create index age_statements_by_user on age_statements(user_id, id desc);
create trigger age_statements_append_only before update or delete on age_statements
  for each statement execute function refuse_change();

-- The review queue.
create table reports(
  id uuid primary key,
  user_id uuid not null references profiles,  -- who reported
  call_id uuid references call_sessions,
  character_id uuid,
  category text not null
    check (category in ('unsafe', 'minor', 'illegal', 'harassment', 'wrong', 'other')),
  words text check (length(words) between 1 and 2000),
  created_at timestamptz not null default clock_timestamp(),
  resolved_at timestamptz,
  resolved_by text,
  resolution text,
  check ((resolved_at is null) = (resolved_by is null))
);
create index reports_open on reports(created_at, id) where resolved_at is null;
create index reports_by_user on reports(user_id, created_at desc);
