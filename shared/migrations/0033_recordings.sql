-- Recordings of calls: what a caller was asked, what they answered, and what was recorded after a yes.
-- The rules: control_plane/recordings/, docs/recordings.md.

-- One row for each time an agent asked: a call that is taken over before its clock starts asks again.
-- What is written once stays: a row only gains its answer, and a yes that it was withdrawn.
create table recording_consents(
  call_id uuid not null references call_sessions,
  epoch int not null check (epoch > 0),       -- of the agent that asked
  language text not null,
  statement text not null check (length(statement) between 1 and 1000),  -- as it was spoken and shown
  asked_at timestamptz not null default clock_timestamp(),
  answer text check (answer in ('yes', 'no', 'none')),  -- none: the time for it passed
  answered_at timestamptz,
  withdrawn_at timestamptz,
  primary key (call_id, epoch),
  check ((answer is null) = (answered_at is null)),
  check (withdrawn_at is null or answer = 'yes')
);

create function recording_consent_only_grows() returns trigger language plpgsql as $$
begin
  if row(new.call_id, new.epoch, new.language, new.statement, new.asked_at)
      is distinct from row(old.call_id, old.epoch, old.language, old.statement, old.asked_at)
    or (old.answer is not null
      and row(new.answer, new.answered_at) is distinct from row(old.answer, old.answered_at))
    or (old.withdrawn_at is not null and new.withdrawn_at is distinct from old.withdrawn_at) then
    raise exception '% keeps what was said', tg_table_name using errcode = '42501';
  end if;
  return new;
end $$;
create trigger recording_consents_only_grow before update on recording_consents
  for each row execute function recording_consent_only_grows();
create trigger recording_consents_stay before delete or truncate on recording_consents
  for each statement execute function refuse_change();

-- What is in the object store. A row goes with its object's key to loose_objects, and never without a
-- reason: the owner's DELETE, a withdrawal, or the retention of what was said in the call.
create table call_recordings(
  call_id uuid not null,
  epoch int not null,
  user_id uuid not null references credits,
  object_key text not null unique,
  size_bytes bigint not null check (size_bytes > 0),
  duration_ms int not null check (duration_ms > 0),
  created_at timestamptz not null default clock_timestamp(),
  primary key (call_id, epoch),
  foreign key (call_id, epoch) references recording_consents
);
create index call_recordings_by_user on call_recordings(user_id, created_at desc);
