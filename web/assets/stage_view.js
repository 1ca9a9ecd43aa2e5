/** The upper half of the card: who it is, and what is going on, in one line. */

import { phaseWords } from './words.js';

const part = (id) => document.getElementById(id);

/** `state` is a call's; `chosen` the voice of the form, for when there is no call. */
export function showStage(state, chosen) {
  const voice = state.phase === 'idle' ? chosen : state.voice;
  const { phase, hint, farewell, agentSpeaking, callerSpeaking, muted } = state;
  setText(part('orb-letter'), voice.slice(0, 1));
  setText(part('title'), titleOf(phase, voice));
  setText(part('status'), hint || farewell || phaseWords(phase, { voice, muted, agentSpeaking }));
  part('orb').classList.toggle('speaking', agentSpeaking);
  part('orb').classList.toggle('hearing', callerSpeaking && !muted);
}

/** Only a real change, so that a screen reader does not repeat what stands there. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function titleOf(phase, voice) {
  if (phase === 'idle') return `Talk to ${voice}`;
  return phase === 'ended' ? 'Call ended' : voice;
}
