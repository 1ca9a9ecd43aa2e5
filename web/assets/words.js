/** Every trouble of the page in words. Pure: facts in, a sentence for the caller out. */

const MICROPHONE = {
  NotAllowedError:
    'Your microphone is blocked. Allow it for this page in the browser’s address bar, then call again.',
  NotFoundError: 'No microphone was found. Connect one, then call again.',
  NotReadableError:
    'Your microphone is in use by another program, or it failed. Close the other program, then call again.',
  Insecure: 'Browsers give the microphone to secure pages only. Open this page with https.',
};
const MICROPHONE_OTHER = 'Your microphone could not be opened. Check it, then call again.';

/** The names by which browsers call the same three troubles. */
const SAME_MICROPHONE_TROUBLE = {
  PermissionDeniedError: 'NotAllowedError',
  SecurityError: 'NotAllowedError',
  DevicesNotFoundError: 'NotFoundError',
  OverconstrainedError: 'NotFoundError',
  TrackStartError: 'NotReadableError',
  AbortError: 'NotReadableError',
};

const NETWORK_GONE = 'The service can’t be reached. Check your connection.';
const ACTIVE_CALL =
  'You already have a call, maybe in another tab. End it there, or wait a minute, then call again.';
const TOO_MANY_TELEPHONES = 'You have five numbers, and more are not possible. Remove one first.';
const NO_CREDIT = 'Your credit is too low to start a call. Please top up.';
export const CONNECT_FAILED =
  'The call could not be connected. Your network may block calls. Nothing was charged.';
export const NOBODY_CAME = 'No one picked up. Nothing was charged. Please try again in a moment.';
export const CALLING_AGAIN = 'No one has picked up yet, calling again …';
export const AGENT_GONE = 'The line to the other side broke. Waiting for it to come back …';
export const AGENT_LOST =
  'The other side was lost and did not come back. Sorry. You pay only for the time before that.';
export const RECONNECTING = 'Your connection is interrupted. Trying to get it back …';
export const MICROPHONE_LOST = 'Your microphone stopped. Check it; you are not heard right now.';
export const HUNG_UP = 'You ended the call.';
export const UPDATED = 'Changed. You will hear it from the next sentence on.';
export const UNCHANGED = 'That can’t be changed during this call.';
export const UPDATE_FAILED = 'The change did not arrive. Edit it again to retry.';
export const DECISION_LOST = 'Your choice did not arrive. Please press it again.';
export const PARTS_MISSING =
  'A part of this page could not be loaded. Check your connection.';

export const PAGE_OPENS = 'Opening the payment page …';
export const PAGE_READY = 'Your call goes on. Credit that you buy now extends it.';
export const UNPAID_AMOUNT = 'This amount can’t be paid.';
export const AUTO_OFF = 'Off. Nothing is paid without you.';
export const AUTO_ON = 'On.';
export const AUTO_NEEDS_CARD = 'It uses the card that you keep when you buy credit.';
export const AUTO_UNSAVED = 'Not saved yet.';
export const AUTO_FAILED =
  'The last automatic payment did not work, so none is tried. Buy credit and keep your card, or save again.';

export function microphoneWords(error) {
  const name = SAME_MICROPHONE_TROUBLE[error?.name] ?? error?.name;
  return MICROPHONE[name] ?? MICROPHONE_OTHER;
}

/** For an ApiError of any request. The server's own words are used where it knows more than we. */
export function apiWords(error) {
  if (error.status === 0) return NETWORK_GONE;
  if (error.status === 401) return 'You are not logged in, or not any more. Please log in.';
  if (error.status === 402) return NO_CREDIT;
  if (error.code === 'too_many_phone_numbers') return TOO_MANY_TELEPHONES;
  if (error.code === 'active_call' || error.status === 409) return ACTIVE_CALL;
  if (error.status === 429) return 'That was too often. Please wait a moment, then try again.';
  if (error.status === 503) return 'The service is not ready.';
  if (error.status >= 500) return 'Something failed on our side. Please try again in a moment.';
  return error.serverWords || 'The service did not accept that.';
}

/** For an ApiError of POST /api/call-token. */
export function callWords(error) {
  return error.status === 503 ? 'All lines are busy.' : apiWords(error);
}

/** For an ApiError of the shop, or a page of the payment provider that is none. */
export function shopWords(error) {
  if (error.code === 'already_subscribed') return 'You have a plan already.';
  if (error.status === 404) return 'This is not sold any more. Reload the page to see what is.';
  if (error.status === 503 || error instanceof TypeError) {
    return 'Payments are not possible at the moment. Please try again in a little while.';
  }
  return error.status === 409 ? error.serverWords : apiWords(error);
}

/** For the payload of RPC pg.error; the agent ends the call with it. */
export function agentErrorWords({ error, message }) {
  if (typeof message === 'string' && message) return message;
  if (error === 'active_call') return ACTIVE_CALL;
  if (error === 'insufficient_credits') return NO_CREDIT;
  if (error === 'instructions_rejected') {
    return 'The voice provider refused these instructions. Change them, then call again.';
  }
  return 'The call ended because of an error.';
}

/** Why a room closed, when neither the caller nor the agent said so. `reason` is a LiveKit name. */
export function closedWords(reason) {
  if (reason === 'DUPLICATE_IDENTITY') return 'This call was opened somewhere else.';
  if (reason === 'SERVER_SHUTDOWN') return 'The service was restarted. Sorry.';
  if (reason === 'ROOM_DELETED' || reason === 'PARTICIPANT_REMOVED' || reason === 'ROOM_CLOSED') {
    return 'The call was ended by the other side.';
  }
  return 'The connection was lost. You pay only for the time you were connected.';
}

/** The line under the name. */
export function phaseWords(phase, { voice, muted, agentSpeaking }) {
  if (phase === 'idle') return 'You pay only for the seconds you talk.';
  if (phase === 'microphone') return 'Please allow the microphone …';
  if (phase === 'asking' || phase === 'connecting') return 'Connecting …';
  if (phase === 'ringing') return 'Ringing …';
  if (phase === 'talking' && muted) return 'You are muted';
  if (phase === 'talking') return agentSpeaking ? `${voice} is speaking` : `${voice} is listening`;
  return '';
}
