/**
 * What the caller sees of the meter. Pure: time comes in as milliseconds of a monotonic clock.
 *
 * The agent says the state on every change; in between, while it runs, the seconds are counted
 * here. The display never passes the granted second, because nobody would be paid for it.
 */

const STATES = new Set(['waiting', 'running', 'paused', 'ended']);

export const NEW_METER = Object.freeze({
  state: 'waiting',
  seconds: 0,
  grantedSeconds: 0,
  finalUnit: false,
  atMs: 0,
});

/** The meter after one message of topic sexycall.meter; unchanged when it makes no sense. */
export function heard(meter, message, nowMs) {
  const sensible =
    message !== null &&
    typeof message === 'object' &&
    STATES.has(message.state) &&
    isSeconds(message.seconds) &&
    isSeconds(message.granted_seconds);
  if (!sensible || meter.state === 'ended') return meter;
  return Object.freeze({
    state: message.state,
    seconds: message.seconds,
    grantedSeconds: message.granted_seconds,
    finalUnit: message.final_unit === true,
    atMs: nowMs,
  });
}

/** The meter while nothing is heard from the agent: it stands still until the next message. */
export function held(meter, nowMs) {
  if (meter.state !== 'running') return meter;
  return Object.freeze({ ...meter, state: 'paused', seconds: secondsAt(meter, nowMs), atMs: nowMs });
}

/** Whole seconds talked at `nowMs`. */
export function secondsAt(meter, nowMs) {
  if (meter.state !== 'running') return meter.seconds;
  const counted = meter.seconds + Math.floor(Math.max(0, nowMs - meter.atMs) / 1000);
  return Math.max(meter.seconds, Math.min(counted, meter.grantedSeconds));
}

/** Seconds to the end of the credit, or null while more can still be granted. */
export function secondsLeftAt(meter, nowMs) {
  return meter.finalUnit ? Math.max(0, meter.grantedSeconds - secondsAt(meter, nowMs)) : null;
}

/** Credits that `seconds` cost, not rounded; the settlement is what counts. */
export function creditsFor(seconds, creditsPerMinute) {
  return (seconds * creditsPerMinute) / 60;
}

/** 0:07, 12:34, 1:02:03 */
export function clockFace(seconds) {
  const pad = (part) => String(part).padStart(2, '0');
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  const rest = `${pad(Math.floor(seconds) % 60)}`;
  return hours > 0 ? `${hours}:${pad(minutes)}:${rest}` : `${minutes}:${rest}`;
}

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const exact = new Intl.NumberFormat('en', { maximumFractionDigits: 2 });

/** Credits as a running display: 9,617. */
export const roundCredits = (credits) => whole.format(Math.floor(credits));

/** Credits of a settlement: 383.33. */
export const exactCredits = (credits) => exact.format(credits);

function isSeconds(value) {
  return Number.isInteger(value) && value >= 0;
}
