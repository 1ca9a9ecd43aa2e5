/** Calls of before, in words. Pure: answers of the API in, rows of the page out. */

import { clockFace, exactCredits } from './meter.js';

const moments = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'short' });

/** {id, title, about, highlights, voice} of one call in an answer of /api/calls. */
export function pastCall({ id, title, voice, highlights, createdAt, ...call }) {
  return {
    id,
    voice,
    title: title || (voice ? `Call with ${voice}` : 'A call'),
    highlights: Array.isArray(highlights) ? highlights : [],
    about: createdAt ? `${moments.format(new Date(createdAt))} · ${endWords(call)}` : endWords(call),
  };
}

export function countWords(count) {
  if (count === 0) return 'No calls yet.';
  return count === 1 ? 'One call.' : `${count} calls.`;
}

/** Lines of an answer of /api/calls/{id}, each with who said it. */
export function spokenLines({ transcript }, voice) {
  const turns = Array.isArray(transcript) ? transcript : [];
  return turns.map(({ role, text }) => ({ who: role === 'user' ? 'You' : voice, text }));
}

function endWords({ status, billedSeconds, creditsUsed }) {
  if (!status) return 'nothing is known of it';
  if (status === 'active' || status === 'authorized') return 'goes on';
  if (!billedSeconds) return 'nobody talked';
  const paid = creditsUsed ? `${exactCredits(creditsUsed)} credits` : 'nothing charged';
  return `${clockFace(billedSeconds)} · ${paid}`;
}
