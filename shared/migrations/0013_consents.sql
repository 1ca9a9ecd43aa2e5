-- Cloning with consent: what was asked, what was said, what was withdrawn, and what was cloned of it.

-- A consent that was begun and has no recording yet. The words are random and go stale soon.
create table consent_challenges(
  id uuid primary key,                        -- becomes the consent's
  user_id uuid not null references profiles,
  whose text not null check (whose in ('own', 'other')),
  speaker_statement text not null,            -- of the other person, '' for one's own voice
  statement_version int not null,
  phrase text not null,
  attempts int not null default 0 check (attempts >= 0),
  created_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz not null,
  check ((whose = 'own') = (speaker_statement = ''))
);
create index consent_challenges_by_user on consent_challenges(user_id, expires_at);
create index consent_challenges_expiring on consent_challenges(expires_at);

-- Consents and their withdrawals, chained by hash in each account (control_plane/cloning/chain.py).
-- Written under the lock of the account's row of profiles, which makes sequence serial.
create table consent_entries(
  user_id uuid not null references profiles,
  sequence int not null check (sequence > 0),         -- 1, 2, 3 ... of this account
  kind text not null check (kind in ('given', 'revoked')),
  consent_id uuid not null,
  expires_at timestamptz,                             -- of a consent that was given
  body text not null,                                 -- canonical JSON; its bytes are hashed
  hash text not null check (hash = encode(sha256(convert_to(body, 'UTF8')), 'hex')),
  previous_hash text not null check (previous_hash ~ '^[0-9a-f]{64}$'),
  created_at timestamptz not null default clock_timestamp(),
  primary key (user_id, sequence),
  unique (consent_id, kind),
  check ((kind = 'given') = (expires_at is not null))
);
create trigger consent_entries_append_only before update or delete or truncate on consent_entries
  for each statement execute function refuse_change();

-- The recordings that voices are cloned from. The object's key is in voices.reference_key; a row
-- that has ended has no object any more, and its voice is disabled. consent_id is null for what the
-- demo mode of the local stack cloned.
create table clone_references(
  voice_id uuid primary key references voices,
  user_id uuid not null references profiles,
  consent_id uuid,
  recording_sha256 text not null check (recording_sha256 ~ '^[0-9a-f]{64}$'),  -- as uploaded
  model text not null,
  language text not null,
  created_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz not null,
  ended_at timestamptz,
  end_reason text check (end_reason in ('expired', 'revoked', 'deleted')),
  check ((ended_at is null) = (end_reason is null))
);
-- The same recording with the same consent is the same voice.
create unique index clone_references_live
  on clone_references(user_id, consent_id, recording_sha256, model, language) nulls not distinct
  where ended_at is null;
create index clone_references_expiring on clone_references(expires_at) where ended_at is null;
create index voices_by_consent on voices(consent_id) where consent_id is not null;

do $$
declare books text := rtrim(trim(pg_get_viewdef('invariant_violations')), ';');
begin
  execute 'create or replace view invariant_violations as ' || books || $view$
    union all
    select 'I20 a withdrawn consent has no working voice', v.id::text
    from voices v join consent_entries e on e.consent_id = v.consent_id and e.kind = 'revoked'
    where v.disabled_at is null or v.reference_key is not null
    union all
    select 'I21 a recording that was deleted has no working voice', r.voice_id::text
    from clone_references r join voices v on v.id = r.voice_id
    where r.ended_at is not null and (v.disabled_at is null or v.reference_key is not null)
  $view$;
end $$;
