/** The running call: time, credits and buttons. */

import { clockFace, creditsFor, roundCredits, secondsAt, secondsLeftAt } from './meter.js';
import { setText } from './stage_view.js';

const TIGHT_S = 60; // from here on the remaining time is more use than the longest time

const part = (id) => document.getElementById(id);

/** `spendable` is the credit the account had when the call began. */
export function showCall(state, spendable) {
  const { phase, muted, notice, link, soundBlocked, crisis, ticket } = state;
  const connected = phase === 'ringing' || phase === 'talking';
  showMeter(state, spendable);
  part('mute').hidden = !connected;
  part('mute').setAttribute('aria-pressed', String(muted));
  setText(part('mute'), muted ? 'Unmute' : 'Mute');
  setText(part('end'), connected ? 'End' : 'Cancel');
  part('sound').hidden = !(connected && soundBlocked);
  setText(part('notice'), notice);
  part('notice').hidden = notice === '';
  setText(part('crisis'), crisis);
  part('crisis').hidden = crisis === '';
  // what is speaking is to be seen from before the first sound until the end
  const disclosure = phase === 'idle' || phase === 'ended' ? '' : (ticket?.disclosure ?? '');
  setText(part('disclosure'), disclosure);
  part('disclosure').hidden = disclosure === '';
  part('link').hidden = !link;
  if (link) {
    setText(part('link-page'), link.words);
    part('link-page').href = link.url;
  }
}

/** Called often: the time moves even when nothing is heard. */
export function showMeter({ meter, ticket }, spendable) {
  const nowMs = performance.now();
  const seconds = secondsAt(meter, nowMs);
  const used = Math.floor(creditsFor(seconds, ticket?.creditsPerMinute ?? 0));
  setText(part('timer'), clockFace(seconds));
  setText(part('limit'), limitWords(secondsLeftAt(meter, nowMs), ticket?.maxSeconds));
  setText(part('used'), roundCredits(used));
  setText(part('left'), roundCredits(Math.max(0, spendable - used)));
}

function limitWords(secondsLeft, maxSeconds) {
  if (secondsLeft !== null && secondsLeft <= TIGHT_S) return `${clockFace(secondsLeft)} left`;
  return maxSeconds ? `of at most ${clockFace(maxSeconds)}` : '';
}
