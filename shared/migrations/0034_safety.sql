-- Minors' mode as a call began with it, and who noticed a crisis: our words or a moderation model.
-- The rules: control_plane/safety/, agent/behaviors/.

alter table call_configs add column minors_mode boolean not null default false;

alter table call_events drop constraint call_events_kind_check;
alter table call_events add constraint call_events_kind_check check (kind in ('disclosed', 'crisis',
  'crisis_by_model', 'moderation_away', 'break_reminder', 'prompt_guarded'));
