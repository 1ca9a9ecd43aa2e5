/** Asks whether the caller is an adult, when the service wants to know. */

import { apiWords } from './words.js';

const part = (id) => document.getElementById(id);

export const AGE_NEEDED = 'age_confirmation_required';

export class AgeView {
  #api;

  #answered;

  /** `answered()` once the service has taken the answer. */
  constructor(api, answered) {
    this.#api = api;
    this.#answered = answered;
    part('age-adult').addEventListener('click', () => this.#say(true));
    part('age-minor').addEventListener('click', () => this.#say(false));
  }

  ask() {
    part('age-status').textContent = '';
    part('age').hidden = false;
    part('age').focus();
  }

  close() {
    part('age').hidden = true;
  }

  async #say(isAdult) {
    try {
      await this.#api.stateAge(isAdult);
    } catch (error) {
      part('age-status').textContent = apiWords(error);
      return;
    }
    this.close();
    this.#answered();
  }
}
