/** Calls by telephone: our numbers, the caller's own, and the PIN. */

import { LANGUAGES, preferredLanguage } from './choices.js';
import { OneAtATime } from './one_at_a_time.js';
import { setText } from './stage_view.js';
import { codeWords, numberTrouble, numberWords, pinWords } from './telephone.js';

const part = (id) => document.getElementById(id);

export class TelephoneView {
  #api;

  #box = part('telephone');

  #task = new OneAtATime(this.#box, part('telephone-problem'));

  #ours = []; // the numbers to call

  #look = {}; // of whom: an answer to an older one is thrown away

  constructor(api) {
    this.#api = api;
    for (const [code, name] of Object.entries(LANGUAGES)) {
      part('telephone-language').append(new Option(name, code));
    }
    part('telephone-language').value = preferredLanguage(navigator.languages ?? []);
    this.#box.addEventListener('toggle', () => this.#box.open && this.#task.do(() => this.#load()));
    part('telephone-form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#task.do(() => this.#add(), numberTrouble);
    });
    part('pin-form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#task.do(() => this.#setPin());
    });
  }

  /** Folded and empty: the next look is a fresh one, maybe of somebody else. */
  close() {
    this.#look = {};
    this.#box.open = false;
    part('telephone-body').hidden = true;
    part('telephones').replaceChildren();
    setText(part('telephone-code'), '');
    part('telephone-form').reset();
    part('pin-form').reset();
  }

  async #load() {
    const look = this.#look;
    const answer = await this.#api.phoneNumbers();
    if (this.#look !== look) return;
    this.#ours = answer.callNumbers;
    setText(part('telephone-ours'), this.#ours.join(', '));
    setText(part('pin-state'), pinWords(answer.pinIsSet));
    part('telephones').replaceChildren(...answer.data.map((row) => this.#row(row)));
    part('telephone-body').hidden = false;
  }

  #row(row) {
    const item = document.createElement('li');
    const number = document.createElement('p');
    number.textContent = row.number;
    const hint = document.createElement('p');
    hint.className = 'hint';
    hint.textContent = numberWords(row);
    const remove = document.createElement('button');
    Object.assign(remove, { type: 'button', className: 'link', textContent: 'Remove' });
    remove.setAttribute('aria-label', `Remove ${row.number}`);
    remove.addEventListener('click', () => this.#task.do(() => this.#remove(row)));
    item.append(number, hint, remove);
    return item;
  }

  async #add() {
    const added = await this.#api.addPhoneNumber({
      number: part('telephone-number').value,
      language: part('telephone-language').value,
    });
    await this.#load();
    part('telephone-number').value = '';
    setText(part('telephone-code'), codeWords(added, this.#ours));
  }

  async #remove({ id, number }) {
    await this.#api.removePhoneNumber(id);
    await this.#load();
    setText(part('telephone-code'), `${number} is removed.`);
    part('telephone-number').focus(); // what was pressed is gone
  }

  async #setPin() {
    await this.#api.setPhonePin(part('pin').value);
    part('pin-form').reset();
    await this.#load();
  }
}
