/** After a call that was recorded: where to hear it, and the button that deletes it. */

import { setText } from './stage_view.js';
import { apiWords } from './words.js';

const TRY_EVERY_MS = 1_000; // it comes some seconds after the end of the call
const TRIES_MAX = 20;

const part = (id) => document.getElementById(id);

export class RecordedView {
  #api;

  #callId = null;

  constructor(api) {
    this.#api = api;
    part('recorded-delete').addEventListener('click', () => this.#delete());
  }

  /** Looks for the recording of a call until it is there; `callId` null: there is none. */
  async open(callId) {
    this.#callId = callId;
    part('recorded').hidden = true;
    for (let tries = 0; callId && tries < TRIES_MAX; tries += 1) {
      try {
        const { url } = await this.#api.recording(callId);
        if (this.#callId === callId) this.#show(url);
        return;
      } catch (error) {
        if (error.status !== 404) return; // it is in the account, whatever is wrong now
      }
      await new Promise((resolve) => setTimeout(resolve, TRY_EVERY_MS));
      if (this.#callId !== callId) return;
    }
  }

  #show(url) {
    part('recorded').hidden = false;
    part('recorded-link').href = url;
    part('recorded-link').hidden = false;
    part('recorded-delete').hidden = false;
    setText(part('recorded-status'), '');
  }

  async #delete() {
    const callId = this.#callId;
    try {
      await this.#api.deleteRecording(callId);
    } catch (error) {
      if (this.#callId === callId) setText(part('recorded-status'), apiWords(error));
      return;
    }
    if (this.#callId !== callId) return;
    part('recorded-link').hidden = true;
    part('recorded-delete').hidden = true;
    setText(part('recorded-status'), 'The recording is deleted.');
  }
}
