/** What is remembered of a caller, in words. Pure: answers of the API in, rows of the page out. */

export const CONTENT_CHARS_MAX = 300;

const SHARED = '__shared__';
const NO_CHARACTER = '__none__';
const SOURCES = {
  call: 'noted after a call',
  caller: 'noted because you asked for it',
  owner: 'in your own words',
};

const days = new Intl.DateTimeFormat('en', { dateStyle: 'medium' });

/** Rows {id, content, about}; `names` maps the ids of characters to their names. */
export function memoryRows(answer, names) {
  const rows = Array.isArray(answer?.data) ? answer.data : [];
  return rows.map((row) => ({ id: row.id, content: row.content, about: aboutWords(row, names) }));
}

/** What may be sent to change `settings` into what was chosen: only what differs. */
export function changeOf(settings, chosen) {
  const before = { ...settings, memory: modeOf(settings) };
  return Object.fromEntries(Object.entries(chosen).filter(([name, it]) => it !== before[name]));
}

/** Who never said anything is remembered nowhere. */
export const modeOf = ({ memory }) => memory ?? 'off';

/** What the choice means, and for whom it is. */
export function modeWords(mode, { lastingOffered }) {
  if (!lastingOffered) return 'To be remembered in later calls, buy credit or a plan.';
  if (mode === 'lasting') return 'After a call a few short facts are noted. You see them below.';
  return mode === 'call' ? 'Nothing is written down.' : '';
}

/** What saving would delete. */
export function unsavedWords(settings, { retention }) {
  const gone = 'Not saved yet. Saving deletes what was said in your';
  if (retention === settings.retention || retention === 'keep') return 'Not saved yet.';
  return retention === 'none' ? `${gone} past calls.` : `${gone} calls of more than 30 days ago.`;
}

export function countWords(count) {
  if (count === 0) return 'Nothing is remembered.';
  return count === 1 ? 'One thing is remembered.' : `${count} things are remembered.`;
}

function aboutWords({ characterId, source, updatedAt }, names) {
  const day = days.format(new Date(updatedAt));
  return [knownBy(characterId, names), SOURCES[source], day].filter(Boolean).join(' · ');
}

function knownBy(characterId, names) {
  if (characterId === SHARED) return 'every character';
  if (characterId === NO_CHARACTER) return 'calls in your own words';
  return names.get(characterId) ?? 'another character';
}
