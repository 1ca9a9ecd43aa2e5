-- Receipts: one for each settled charge, chained by hash in each account. docs/receipts.md.
--
-- Written by the transaction that closes the charge, under the lock of the account's credits row, so
-- sequence and previous_hash are serial without a lock of their own. No foreign key to calls: a
-- receipt outlives whatever else is erased.

create table receipts(
  id uuid primary key,
  user_id uuid not null references credits,
  sequence int not null check (sequence > 0),         -- 1, 2, 3 ... of this account
  kind text not null check (kind in ('call', 'generation')),
  subject_id uuid not null unique,                    -- the call, or the generation
  body text not null,                                 -- canonical JSON; its bytes are hashed and signed
  hash text not null check (hash = encode(sha256(convert_to(body, 'UTF8')), 'hex')),
  previous_hash text not null check (previous_hash ~ '^[0-9a-f]{64}$'),
  key_id text,                                        -- null until somebody first reads it
  signature text,
  issued_at timestamptz not null,
  unique (user_id, sequence),
  check ((key_id is null) = (signature is null))
);

create trigger receipts_append_only before delete or truncate on receipts
  for each statement execute function refuse_change();

-- The one change allowed: a signature where there was none.
create function receipt_signed_once() returns trigger language plpgsql as $$
begin
  if old.signature is not null or new.signature is null
    or row(new.id, new.user_id, new.sequence, new.kind, new.subject_id, new.body, new.hash,
           new.previous_hash, new.issued_at)
       is distinct from
       row(old.id, old.user_id, old.sequence, old.kind, old.subject_id, old.body, old.hash,
           old.previous_hash, old.issued_at) then
    raise exception 'receipts is append-only' using errcode = '42501';
  end if;
  return new;
end $$;
create trigger receipts_signed_once before update on receipts
  for each row execute function receipt_signed_once();
