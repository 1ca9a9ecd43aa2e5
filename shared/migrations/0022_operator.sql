-- What operators do to accounts, what they are told, and the mail that goes to people.

-- The audit log: a single chain, whose entries each contain the hash of the one before
-- (billing/audit.py). No foreign key: the log outlives what it speaks of.
create table audit_log(
  sequence bigint primary key check (sequence > 0),   -- 1, 2, 3 ... without a gap
  actor text not null check (length(actor) between 1 and 300),
  action text not null check (action ~ '^[a-z][a-z_]{1,39}$'),
  user_id uuid,
  reason text not null check (length(reason) between 3 and 500),
  posting text unique,                        -- source_id of the ledger row that was made with it
  body text not null,                         -- canonical JSON; its bytes are hashed
  hash text not null check (hash = encode(sha256(convert_to(body, 'UTF8')), 'hex')),
  previous_hash text not null check (previous_hash ~ '^[0-9a-f]{64}$'),
  created_at timestamptz not null
);
create index audit_log_lately on audit_log(created_at);
create index audit_log_by_user on audit_log(user_id, sequence desc) where user_id is not null;
create trigger audit_log_append_only before update or delete or truncate on audit_log
  for each statement execute function refuse_change();

-- Where the next entry goes. One writer at a time until its transaction ends; taken last, after the
-- locks of accounts, so that nobody who holds it waits for another lock.
create function audit_head_v1() returns table(sequence bigint, hash text, at timestamptz)
language plpgsql as $$
#variable_conflict use_column
begin
  perform pg_advisory_xact_lock(7310018);
  return query
    select coalesce(l.sequence, 0), coalesce(l.hash, repeat('0', 64)), clock_timestamp()
    from (select 1) one left join lateral (
      select a.sequence, a.hash from audit_log a order by a.sequence desc limit 1) l on true;
end $$;

-- What operators posted carries its reason twice: in the ledger and in the log.
create view audit_violations as
select 'A1 the audit log is one chain' as invariant, x.sequence::text as key from (
    select a.sequence, a.previous_hash, a.hash, a.body, row_number() over w as n,
      lag(a.hash, 1, repeat('0', 64)) over w as expected
    from audit_log a window w as (order by a.sequence)) x
  where x.sequence <> x.n or x.previous_hash <> x.expected
     or x.hash <> encode(sha256(convert_to(x.body, 'UTF8')), 'hex')
union all
select 'A2 what an operator posted is in the audit log', t.id::text
  from credit_transactions t left join audit_log a
    on a.posting = t.source_id and a.user_id = t.user_id
  where t.source = 'operator' and a.sequence is null;

do $$
declare books text := rtrim(trim(pg_get_viewdef('invariant_violations')), ';');
begin
  execute 'create or replace view invariant_violations as ' || books
    || ' union all select invariant, key from audit_violations';
end $$;

-- As v2, with the entries of the log and the postings of operators since then.
create function recent_violations_v3(p_since timestamptz)
returns table(invariant text, key text) language plpgsql as $$
#variable_conflict use_column
begin
  return query select * from recent_violations_v2(p_since);
  return query select 'A1 the audit log is one chain', a.sequence::text
    from audit_log a left join audit_log before on before.sequence = a.sequence - 1
    where a.created_at >= p_since and (
      a.previous_hash <> coalesce(before.hash, repeat('0', 64)) or (before.sequence is null) <> (a.sequence = 1)
      or a.hash <> encode(sha256(convert_to(a.body, 'UTF8')), 'hex'));
  return query select 'A2 what an operator posted is in the audit log', t.id::text
    from credit_transactions t left join audit_log a
      on a.posting = t.source_id and a.user_id = t.user_id
    where t.source = 'operator' and t.created_at >= p_since and a.sequence is null;
end $$;

-- Freezing. A frozen account starts nothing that costs, whoever forgot to ask: the check stands where
-- the row is made. Whoever makes one holds the account's credits row, and freezing takes it too, so
-- nothing slips through between a look at the account and the insert. SQLSTATE P0403.
create function refuse_frozen() returns trigger language plpgsql as $$
begin
  if exists(select from profiles where id = new.user_id and frozen_at is not null) then
    raise exception 'account is frozen' using errcode = 'P0403';
  end if;
  return new;
end $$;
create trigger call_sessions_not_frozen before insert on call_sessions
  for each row execute function refuse_frozen();
create trigger generation_charges_not_frozen before insert on generation_charges
  for each row execute function refuse_frozen();

-- How long the running calls of a frozen account might have become.
create table frozen_calls(
  call_id uuid primary key references call_sessions,
  max_seconds int not null
);

-- A running call may go on to the second it was promised, and is promised no more: its longest time
-- becomes its grant, which every version of the settle function respects, and its agent is told that
-- this is the final unit. False: it was frozen before. Null: there is no such account.
-- Lock order: profiles, credits, calls.
create function account_freeze_v1(p_user uuid) returns boolean language plpgsql as $$
declare frozen timestamptz; open_calls uuid[];
begin
  select frozen_at into frozen from profiles where id = p_user for no key update;
  if not found then return null; end if;
  if frozen is not null then return false; end if;
  perform 1 from credits where user_id = p_user for no key update;
  update profiles set frozen_at = clock_timestamp() where id = p_user;
  open_calls := array(select id from call_sessions
    where user_id = p_user and state in ('authorized', 'active') order by id for no key update);
  insert into frozen_calls(call_id, max_seconds)
    select id, max_seconds from call_sessions where id = any(open_calls)
    on conflict (call_id) do nothing;
  update call_sessions set max_seconds = greatest(granted, 1) where id = any(open_calls);
  return true;
end $$;

-- Calls that still run may become as long again as they might have. False: it was not frozen.
create function account_unfreeze_v1(p_user uuid) returns boolean language plpgsql as $$
declare frozen timestamptz; open_calls uuid[];
begin
  select frozen_at into frozen from profiles where id = p_user for no key update;
  if not found then return null; end if;
  if frozen is null then return false; end if;
  perform 1 from credits where user_id = p_user for no key update;
  update profiles set frozen_at = null where id = p_user;
  open_calls := array(select id from call_sessions
    where user_id = p_user and state in ('authorized', 'active') order by id for no key update);
  update call_sessions s set max_seconds = f.max_seconds
    from frozen_calls f where f.call_id = s.id and s.id = any(open_calls);
  delete from frozen_calls f using call_sessions s where s.id = f.call_id and s.user_id = p_user;
  return true;
end $$;

-- The address that mail goes to: only one that the issuer of the session says it has verified.
-- profiles.email stays what it was, for display, and proves nothing.
alter table profiles add column mail_address text check (length(mail_address) between 3 and 254);
create index profiles_by_mail_address on profiles(lower(mail_address)) where mail_address is not null;
create index profiles_by_email on profiles(lower(email)) where email is not null;

-- What we pay providers: millionths of a dollar for `per_units` units of a basis. A model may have
-- several bases (tokens in, tokens out), which add up. A model without a row costs we do not know
-- what, which is not nothing. Append-only: a new row replaces the price from its time on.
create table provider_costs(
  id bigint generated always as identity primary key,
  product text not null check (product in ('call', 'speech', 'clone')),
  model text not null check (length(model) between 1 and 200),   -- the provider's name, to its ':'
  basis text not null check (basis in ('second', 'character', 'operation', 'token_in', 'token_out')),
  microdollars bigint not null check (microdollars >= 0),
  per_units bigint not null check (per_units > 0),
  effective_from timestamptz not null,
  actor text not null
);
create index provider_costs_by_model on provider_costs(product, model, basis, effective_from desc);
create trigger provider_costs_append_only before update or delete or truncate on provider_costs
  for each statement execute function refuse_change();

insert into provider_costs(product, model, basis, microdollars, per_units, effective_from, actor)
select product, model, basis, microdollars, per_units, '2020-01-01Z', 'migration' from (values
  ('call', 'grok-voice-think-fast-1.0', 'second', 50000, 60),
  ('speech', 'gemini-2.5-flash-preview-tts', 'token_in', 500000, 1000000),
  ('speech', 'gemini-2.5-flash-preview-tts', 'token_out', 10000000, 1000000),
  ('speech', 'gemini-2.5-pro-preview-tts', 'token_in', 1000000, 1000000),
  ('speech', 'gemini-2.5-pro-preview-tts', 'token_out', 20000000, 1000000),
  ('speech', 'gemini-3.1-flash-tts-preview', 'token_in', 1000000, 1000000),
  ('speech', 'gemini-3.1-flash-tts-preview', 'token_out', 20000000, 1000000),
  ('speech', 'grok-tts', 'character', 15000000, 1000000),
  ('speech', 'lucataco/orpheus-3b-0.1-ft', 'character', 15000000, 1000000),
  ('speech', 'local-tts', 'character', 0, 1),
  ('clone', 'voxtral-mini-tts-2603', 'character', 16000, 1000),
  ('clone', 'resemble-ai/chatterbox', 'operation', 12100, 1),
  ('clone', 'resemble-ai/chatterbox-multilingual', 'operation', 12100, 1),
  ('clone', 'local-clone-demo', 'character', 0, 1)
) seed(product, model, basis, microdollars, per_units);

-- Which days were reported to the operators' chat. The row is committed before the message is sent.
create table daily_reports(
  day date primary key,
  attempts int not null default 0,
  due_at timestamptz not null default clock_timestamp(),
  sent_at timestamptz
);

-- What becomes of each notice as a mail. Written before each attempt and after it: while it is
-- 'sending' one process has it, until due_at; if that process dies, nobody knows whether the mail has
-- left, and it is sent again under the same Message-ID. sent_at of the notice is set with 'sent'.
create table mails(
  notice_id uuid primary key references notices on delete cascade,
  state text not null default 'waiting'
    check (state in ('waiting', 'sending', 'sent', 'failed', 'skipped')),
  run int not null default 0,                 -- fences who comes back after its lease was over
  attempts int not null default 0,
  due_at timestamptz not null default clock_timestamp(),
  error text,                                 -- a code of ours, never a server's words
  ended_at timestamptz,
  check ((state in ('sent', 'failed', 'skipped')) = (ended_at is not null))
);
create index mails_due on mails(due_at) where state in ('waiting', 'sending');

create function mail_for_notice() returns trigger language plpgsql as $$
begin
  insert into mails(notice_id) values (new.id);
  return null;
end $$;
create trigger notices_are_mailed after insert on notices
  for each row execute function mail_for_notice();
insert into mails(notice_id) select id from notices where sent_at is null;
