-- What is remembered of calls, and what is done after them.

alter table plans add column memories boolean not null default true;    -- lasting ones
update plans set memories = false where id = 'free';

-- What people have said about their calls. Null: never said, so the operator's default holds.
create table call_preferences(
  user_id uuid primary key references credits,
  memory_mode text check (memory_mode in ('off', 'call', 'lasting')),
  memory_scope text check (memory_scope in ('character', 'shared')),
  retention text check (retention in ('none', '30_days', 'keep'))
);

-- Short facts, one a slot (memory_type). '__shared__': every character knows it.
create table agent_memories(
  id uuid primary key,
  user_id uuid not null references credits,
  character_id text not null default '__shared__' check (character_id <> ''),
  memory_type text not null check (memory_type ~ '^[a-z0-9_]{1,40}$'),
  content text not null check (char_length(content) between 1 and 300),
  source text not null check (source in ('call', 'caller', 'owner')),  -- whose words these are
  call_id uuid references call_sessions,
  embedder text not null,                     -- vectors of different ones are not compared
  embedding real[] not null,
  fts tsvector generated always as (to_tsvector('simple', content)) stored,
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  used_at timestamptz not null default clock_timestamp(),
  unique (user_id, character_id, memory_type)
);
create index agent_memories_by_call on agent_memories(call_id) where call_id is not null;
create index agent_memories_newest on agent_memories(user_id, updated_at desc, id desc);

-- Where the server has pgvector it compares the vectors, else plain SQL does. The jobs call it when they
-- start, so that an extension that comes later is used. Returns which one it is.
create function memory_vectors_v1() returns text language plpgsql as $install$
declare place text;
begin
  perform pg_advisory_xact_lock(7310031);     -- two at once would replace the same row of pg_proc
  begin
    if exists (select from pg_available_extensions where name = 'vector') then
      create extension if not exists vector;
    end if;
  exception when insufficient_privilege or undefined_file or feature_not_supported then
    null;                                     -- then without it
  end;
  select n.nspname into place
    from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'vector';
  if place is null then
    create or replace function memory_similarity_v1(a real[], b real[]) returns float8
      language sql immutable parallel safe as
      $f$ select coalesce(sum(x::float8 * y), 0) from unnest(a, b) u(x, y) $f$;
    return 'plain';
  end if;
  execute format(
    'create or replace function memory_similarity_v1(a real[], b real[]) returns float8 '
    'language sql immutable parallel safe as %L',
    format('select -(a::%1$I.vector operator(%1$I.<#>) b::%1$I.vector)', place));
  return 'pgvector';
end $install$;
select memory_vectors_v1();

-- Upstream's hybrid: reciprocal ranks (k = 60) of vectors and words, weighted 0.7 and 0.3. Only rows of
-- the account are read; it has a few hundred at most. How far words are from each other (ts_rank_cd)
-- says nothing in one line and took 5 us a row, ts_rank takes 1.
create function memories_match_v1(
  p_user uuid, p_character text, p_words text, p_embedder text, p_embedding real[], p_count int
) returns table(id uuid, character_id text, memory_type text, content text, similarity float8,
  text_rank float8, score float8) language sql stable as $$
  with asked as materialized (
    select replace(plainto_tsquery('simple', p_words)::text, '&', '|')::tsquery as words),
  own as materialized (
    select m.id, m.character_id, m.memory_type, m.content,
      case when m.embedder = p_embedder and cardinality(m.embedding) = cardinality(p_embedding)
        then memory_similarity_v1(m.embedding, p_embedding) end as similarity,
      case when m.fts @@ a.words then ts_rank(m.fts, a.words)::float8 end as text_rank
    from agent_memories m, asked a
    where m.user_id = p_user and m.character_id in ('__shared__', p_character)),
  ranked as materialized (
    select o.*, rank() over (order by o.similarity desc nulls last) as by_vector,
      rank() over (order by o.text_rank desc nulls last) as by_words from own o)
  select r.id, r.character_id, r.memory_type, r.content, r.similarity, r.text_rank,
    case when r.similarity is null then 0 else 0.7 / (60 + r.by_vector) end
      + case when r.text_rank is null then 0 else 0.3 / (60 + r.by_words) end as score
  from ranked r order by 7 desc, r.id desc limit p_count
$$;

-- One row a call: what was frozen for it, and the work after it. It belongs to whoever holds its lease.
create table after_calls(
  call_id uuid primary key references call_sessions,
  user_id uuid not null references credits,
  memory_mode text not null default 'off' check (memory_mode in ('off', 'call', 'lasting')),
  memory_character text not null default '__shared__',   -- the only one whose memories it reads
  memory_target text not null default '__shared__',      -- and where it writes them
  state text not null default 'open' check (state in ('open', 'done', 'skipped', 'failed')),
  attempts int not null default 0,
  not_before timestamptz not null default clock_timestamp(),
  lease uuid,
  lease_until timestamptz,
  done_at timestamptz,
  title text,
  highlights text[] not null default '{}',
  texts_until timestamptz,                    -- null: nothing to delete, or kept for good
  check ((state = 'open') = (done_at is null))
);
create index after_calls_open on after_calls(not_before) where state = 'open';
create index after_calls_texts on after_calls(texts_until) where texts_until is not null;
create index after_calls_by_user on after_calls(user_id);

-- What somebody asked to forget while the work after a call was still to come. Gone with that work.
create table memory_forgets(
  call_id uuid not null references after_calls on delete cascade,
  words text not null check (char_length(words) between 1 and 300),
  primary key (call_id, words)
);

-- Upstream's fields, for operators.
create table call_session_analysis(
  session_id uuid primary key references call_sessions,
  user_id uuid not null references credits,
  started_at timestamptz,
  duration_seconds int not null,
  end_reason text,
  language text,
  topic_category text,
  topic_subcategory text,
  engagement_level text,
  conversation_quality text,
  where_died text,
  user_sentiment text,
  key_requests text[] not null default '{}',
  ai_issues text,
  notable_patterns text,
  analyzed_at timestamptz not null default clock_timestamp()
);

-- A web process of before places calls without such a row, and calls are open while this is released.
-- Each has one at its end, or no setting would ever let its texts go.
create function after_call_is_kept() returns trigger language plpgsql as $$
begin
  insert into after_calls(call_id, user_id)
    select c.call_id, new.user_id from call_configs c where c.call_id = new.id
    on conflict (call_id) do nothing;
  return null;
end $$;
create trigger call_sessions_have_after_calls after update of state on call_sessions
  for each row when (new.ended_at is not null and old.ended_at is null)
  execute function after_call_is_kept();

-- Calls that are over have no work after them, but a setting may still let their texts go.
insert into after_calls(call_id, user_id, state, done_at, texts_until)
  select id, user_id, 'skipped', clock_timestamp(), clock_timestamp() + interval '30 days'
  from call_sessions
  where state in ('closed', 'expired');
