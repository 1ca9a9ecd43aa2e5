/** The shop at the foot of the card: packages, an amount of one's own, monthly plans. */

import { AutoTopUpView } from './auto_topup_view.js';
import * as shop from './shop.js';
import { setText } from './stage_view.js';
import { PAGE_OPENS, PAGE_READY, UNPAID_AMOUNT, shopWords } from './words.js';

const RUNNING = new Set(['active', 'past_due', 'trialing']); // subscriptions, in Stripe's words

const part = (id) => document.getElementById(id);

export class ShopView {
  #api;

  #inCall;

  #box = part('shop');

  #offers = null; // the answer of /api/packages

  #loading = null;

  #auto;

  /** Nothing is sold until `open()`. `inCall()` says whether leaving this page would end a call. */
  constructor({ api, inCall }) {
    this.#api = api;
    this.#inCall = inCall;
    this.#auto = new AutoTopUpView({ api, failed: (words) => this.#fail(words) });
    this.#box.addEventListener('toggle', () => this.#box.open && this.#load());
    part('currency').addEventListener('change', () => this.#showOffers());
    part('amount').addEventListener('input', () => this.#showAmount());
    part('amount-form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#buyAmount();
    });
    part('manage-plan').addEventListener('click', () => this.#leave(() => this.#api.openPortal()));
  }

  /** Unfolds it for somebody who needs credit. */
  unfold() {
    this.#box.open = true;
  }

  /** Folded and empty: the next look is a fresh one, maybe of somebody else. */
  close() {
    this.#box.open = false;
    this.#loading = null;
    part('shop-body').hidden = true;
    this.ready();
  }

  /** Back from the payment provider by the browser's Back button. */
  ready() {
    this.#setBusy(false);
    this.#say('');
    part('shop-page').replaceChildren();
  }

  get #currency() {
    return part('currency').value;
  }

  /** Once; after a failure the next unfolding tries again. */
  #load() {
    this.#loading ??= this.#fetch().catch((error) => {
      this.#loading = null;
      this.#fail(shopWords(error));
    });
  }

  async #fetch() {
    this.#say('');
    const [offers, plans, standing] = await Promise.all([
      this.#api.packages(),
      this.#api.plans(),
      this.#api.subscription(),
    ]);
    this.#offers = offers;
    const currencies = shop.currenciesOf(offers);
    part('currency').replaceChildren(
      ...currencies.map((code) => new Option(code.toUpperCase(), code)),
    );
    part('currency-field').hidden = currencies.length < 2;
    this.#showOffers();
    this.#showPlans(shop.planRows(plans), standing);
    await this.#auto.load(shop.rateOf(offers, this.#currency));
    part('shop-body').hidden = false;
  }

  #showOffers() {
    const rows = shop.packageRows(this.#offers, this.#currency);
    const buy = (row) => this.#buy({ packageId: row.id });
    part('packages').replaceChildren(...rows.map((row) => offer(row, () => buy(row))));
    part('amount-form').hidden = shop.rateOf(this.#offers, this.#currency) === null;
    setText(part('amount-label'), `Another amount (${this.#currency.toUpperCase()})`);
    this.#showAmount();
  }

  #showPlans(rows, { plan, planName, subscriptions }) {
    const running = subscriptions.some(({ status }) => RUNNING.has(status));
    part('plans-part').hidden = rows.length === 0 && !running;
    part('plans').hidden = running;
    part('manage-plan').hidden = subscriptions.length === 0;
    part('own-plan').hidden = !running;
    setText(part('own-plan'), running ? `Your plan is ${planName || plan}.` : '');
    const subscribe = (row) => this.#leave(() => this.#api.openPlan(row.id));
    part('plans').replaceChildren(...rows.map((row) => offer(row, () => subscribe(row))));
  }

  #showAmount() {
    const rate = shop.rateOf(this.#offers, this.#currency);
    if (!rate) return;
    setText(part('amount-hint'), shop.amountWords(this.#amount, rate));
    part('amount').removeAttribute('aria-invalid');
  }

  get #amount() {
    return shop.amountIn(part('amount').value, this.#currency);
  }

  #buyAmount() {
    const { amountMin, amountMax } = shop.rateOf(this.#offers, this.#currency);
    const amount = this.#amount;
    if (amount !== null && amount >= amountMin && amount <= amountMax) {
      this.#buy({ amount });
      return;
    }
    part('amount').setAttribute('aria-invalid', 'true');
    part('amount').focus();
    this.#fail(UNPAID_AMOUNT);
  }

  #buy(wish) {
    const saveCard = part('save-card').checked;
    this.#leave(() => this.#api.openCheckout({ ...wish, currency: this.#currency, saveCard }));
  }

  /** To a page of the payment provider; from a call only by a link into a new tab. */
  async #leave(ask) {
    const pressed = document.activeElement;
    this.#setBusy(true);
    this.#say(PAGE_OPENS);
    try {
      const address = shop.pageAddress((await ask()).url);
      if (this.#inCall()) this.#offerLink(address);
      else window.location.assign(address);
    } catch (error) {
      this.#setBusy(false);
      this.#fail(shopWords(error));
      pressed?.focus();
    }
  }

  #offerLink(address) {
    const link = document.createElement('a');
    Object.assign(link, { href: address, target: '_blank', rel: 'noopener noreferrer' });
    link.textContent = 'Open the payment page in a new tab';
    this.ready();
    this.#say(PAGE_READY);
    part('shop-page').replaceChildren(link);
    link.focus();
  }

  #setBusy(busy) {
    this.#box.setAttribute('aria-busy', String(busy));
    for (const button of this.#box.querySelectorAll('button')) button.disabled = busy;
  }

  #say(words) {
    part('shop-problem').hidden = true;
    setText(part('shop-status'), words);
  }

  #fail(words) {
    this.#say('');
    setText(part('shop-problem'), words);
    part('shop-problem').hidden = false;
    part('shop-problem').scrollIntoView({ block: 'nearest' });
  }
}

/** One thing that is sold, as a button. */
function offer({ name, credits, price, extra }, chosen) {
  const button = document.createElement('button');
  button.type = 'button';
  for (const [kind, text] of Object.entries({ name, price, credits, extra })) {
    if (!text) continue;
    const word = document.createElement('span');
    word.className = `offer-${kind}`;
    word.textContent = text;
    button.append(word, ' ');
  }
  button.addEventListener('click', chosen);
  const item = document.createElement('li');
  item.append(button);
  return item;
}
