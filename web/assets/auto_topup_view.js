/** Topping up by itself: on or off, from which balance, how much, and at most how much a month. */

import { amountIn, amountWords, priceWords, typed } from './shop.js';
import { setText } from './stage_view.js';
import * as words from './words.js';

const part = (id) => document.getElementById(id);
const THRESHOLD = 2_000; // credits: two minutes, in which a payment is made
const MONTH_TIMES = 5; // the cap that is proposed, in payments

export class AutoTopUpView {
  #api;

  #failed;

  #form = part('auto-topup');

  #rate = null;

  #currency = '';

  /** `failed(sentence)` is told what went wrong. */
  constructor({ api, failed }) {
    this.#api = api;
    this.#failed = failed;
    this.#form.addEventListener('input', () => this.#edited());
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#save();
    });
  }

  /** `rate` is of free amounts, in which these payments are made; without one there are none. */
  async load(rate) {
    this.#rate = rate;
    this.#form.hidden = rate === null;
    if (rate) this.#show(await this.#api.autoTopUp());
  }

  #show(rule) {
    const currency = rule.currency ?? this.#rate.currency;
    this.#currency = currency;
    const amount = rule.amount ?? this.#rate.amountMin;
    part('auto-on').checked = rule.isOn;
    part('auto-threshold').value = Math.floor(rule.threshold ?? THRESHOLD);
    part('auto-amount').value = typed(amount, currency);
    part('auto-month').value = typed(rule.monthAmountMax ?? amount * MONTH_TIMES, currency);
    setText(part('auto-currency'), currency.toUpperCase());
    part('auto-fields').hidden = !rule.isOn;
    part('auto-save').hidden = rule.state !== 'needs_action';
    setText(part('auto-state'), stateWords(rule, currency));
  }

  #edited() {
    part('auto-fields').hidden = !part('auto-on').checked;
    part('auto-save').hidden = false;
    setText(part('auto-state'), words.AUTO_UNSAVED);
  }

  async #save() {
    const currency = this.#currency;
    const wish = {
      isOn: part('auto-on').checked,
      threshold: Number(part('auto-threshold').value),
      amount: amountIn(part('auto-amount').value, currency),
      monthAmountMax: amountIn(part('auto-month').value, currency),
      currency,
    };
    if (wish.amount === null || wish.monthAmountMax === null) {
      this.#failed(`${words.UNPAID_AMOUNT} ${amountWords(null, this.#rate)}`);
      return;
    }
    part('auto-save').disabled = true;
    try {
      this.#show(await this.#api.setAutoTopUp(wish));
      part('auto-on').focus(); // the button is gone
    } catch (error) {
      this.#failed(words.shopWords(error));
    } finally {
      part('auto-save').disabled = false;
    }
  }
}

function stateWords({ state, monthAmountSpent }, currency) {
  if (state === 'needs_action') return words.AUTO_FAILED;
  if (state !== 'ready') return words.AUTO_OFF;
  const spent = `Paid by itself this month: ${priceWords(monthAmountSpent, currency)}.`;
  return `${words.AUTO_ON} ${monthAmountSpent > 0 ? spent : words.AUTO_NEEDS_CARD}`;
}
