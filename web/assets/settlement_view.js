/** What the call cost, as the control plane booked it. */

import { clockFace, exactCredits } from './meter.js';
import { awaitSettlement } from './settlement.js';

const part = (id) => document.getElementById(id);

export class SettlementView {
  #api;

  #look = new AbortController();

  constructor(api) {
    this.#api = api;
  }

  /** Waits for the settlement of a call and shows it. Gives the call's row, or null if none came. */
  async open(callId) {
    this.close();
    const { signal } = this.#look;
    part('settlement').setAttribute('aria-busy', 'true');
    part('settled-call').textContent = callId;
    for (const id of ['settled-time', 'settled-credits', 'settled-left']) part(id).textContent = '…';
    part('settlement-words').textContent = 'Closing the account of this call …';
    const row = await awaitSettlement({ api: this.#api, callId, signal });
    if (signal.aborted) return null;
    part('settlement').setAttribute('aria-busy', 'false');
    if (row) this.#showRow(row);
    else this.#showNone();
    return row;
  }

  showLeft(credits) {
    part('settled-left').textContent = exactCredits(credits);
  }

  close() {
    this.#look.abort();
    this.#look = new AbortController();
  }

  #showRow({ billedSeconds, creditsUsed }) {
    part('settled-time').textContent = clockFace(billedSeconds ?? 0);
    part('settled-credits').textContent = exactCredits(creditsUsed ?? 0);
    part('settlement-words').textContent = creditsUsed ? 'Settled.' : 'Nothing was charged.';
  }

  #showNone() {
    part('settled-time').textContent = '–';
    part('settled-credits').textContent = '–';
    part('settled-left').textContent = '–';
    part('settlement-words').textContent =
      'The settlement is not there yet. It follows by itself, for no more than the time you talked.';
  }
}
