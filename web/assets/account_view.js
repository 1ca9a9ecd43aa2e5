/** The account's credit, at the top of the card and as a number for the running call. */

import { roundCredits } from './meter.js';

export class AccountView {
  #api;

  #chip = document.getElementById('balance');

  #amount = 0;

  /** Credits that could be spent when the call began, plus what was topped up since. */
  spendable = 0;

  constructor(api) {
    this.#api = api;
  }

  /** Between calls. Throws ApiError. */
  async load() {
    const { amount, available } = await this.#api.credits();
    this.#amount = amount;
    this.spendable = available;
    this.#show();
  }

  /** In a call the credit is partly reserved, so only what was added is taken over. */
  async addTopUp() {
    const { amount } = await this.#api.credits();
    this.spendable += amount - this.#amount;
    this.#amount = amount;
    this.#show();
  }

  #show() {
    this.#chip.textContent = `${roundCredits(this.spendable)} credits`;
  }
}
