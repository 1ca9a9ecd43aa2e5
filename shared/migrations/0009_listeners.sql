-- Web processes that can hear agents. While none listens, an agent's silence says nothing about it.
create table listeners(
  id uuid primary key,
  listening_since timestamptz not null default clock_timestamp(),
  seen_at timestamptz not null default clock_timestamp()
) with (fillfactor = 50);

-- For how long somebody has been listening without a break, in seconds; 0 when nobody is.
create function listened_s_v1() returns double precision language sql volatile as $$
  select coalesce(max(date_part('epoch', clock_timestamp() - listening_since)), 0)
  from listeners where seen_at > clock_timestamp() - interval '6 seconds'
$$;
