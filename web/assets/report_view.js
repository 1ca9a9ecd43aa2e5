/** The report button after a call: what was wrong goes to the people who look after the service. */

import { apiWords } from './words.js';

const part = (id) => document.getElementById(id);

export class ReportView {
  #api;

  #callId = null;

  constructor(api) {
    this.#api = api;
    part('report-form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#send();
    });
  }

  /** For another call: empty and closed. */
  open(callId) {
    this.#callId = callId;
    part('report').open = false;
    part('report-form').reset();
    part('report-form').hidden = false;
    part('report-status').textContent = '';
  }

  async #send() {
    const callId = this.#callId;
    const { category, words } = Object.fromEntries(new FormData(part('report-form')));
    part('report-status').textContent = 'Sending …';
    try {
      await this.#api.report({ callId, category, words });
    } catch (error) {
      part('report-status').textContent = apiWords(error);
      return;
    }
    part('report-form').hidden = true;
    part('report-status').textContent = 'Thank you. Somebody will look at it.';
  }
}
