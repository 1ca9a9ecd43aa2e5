/** The caller's telephones, in words. Pure: answers of the API in, sentences of the page out. */

import { apiWords } from './words.js';

const time = new Intl.DateTimeFormat('en', { timeStyle: 'short' });

/** "1234 5678": read out and typed in halves. */
export const spaced = (digits) => digits.replace(/(\d{4})(?=\d)/g, '$1 ');

/** What stands below a number. */
export function numberWords({ verifiedAt, codeExpiresAt }, now = new Date()) {
  if (verifiedAt) return 'Yours. Calls from it ask for your PIN.';
  if (codeExpiresAt && new Date(codeExpiresAt) > now) return 'Waits for its code.';
  return 'Its code is too old. Add the number again to get a new one.';
}

/** What is to be done with the code of a number that was added. */
export function codeWords({ data, code }, ours) {
  if (!code) return 'This number is yours already.';
  const until = time.format(new Date(data.codeExpiresAt));
  return `Call ${ours.join(' or ')} from ${data.number} until ${until} and enter ${spaced(code)}. That costs nothing.`;
}

export function pinWords(isSet) {
  return isSet
    ? 'A PIN is set. A new one takes its place.'
    : 'No PIN is set. Without one no call by telephone can be paid.';
}

/** For an ApiError of a number that was entered. */
export const numberTrouble = (error) =>
  error.status === 400 ? 'Enter a number with its country code, like +49 30 1234567.' : apiWords(error);
