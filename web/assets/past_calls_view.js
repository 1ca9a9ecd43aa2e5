/** The account's calls, newest first, with what was said in them while it is kept. */

import { OneAtATime } from './one_at_a_time.js';
import { countWords, pastCall, spokenLines } from './past_calls.js';
import { setText } from './stage_view.js';

const NOTHING_KEPT = 'No words are kept of this call.';

const part = (id) => document.getElementById(id);

export class PastCallsView {
  #api;

  #box = part('past-calls');

  #task = new OneAtATime(this.#box, part('past-calls-problem'));

  #pages = 0; // shown so far

  #look = {}; // of whom and when: an answer to an older one is thrown away

  constructor(api) {
    this.#api = api;
    this.#box.addEventListener('toggle', () => this.#box.open && this.#load());
    part('past-calls-more').addEventListener('click', () => this.#task.do(() => this.#more()));
  }

  /** Folded and empty: the next look is a fresh one, maybe of somebody else. */
  close() {
    this.#look = {};
    this.#box.open = false;
    part('past-calls-body').hidden = true;
    part('past-calls-rows').replaceChildren();
  }

  /** At each unfolding: titles come some seconds after a call. */
  #load() {
    this.#look = {};
    this.#pages = 0;
    return this.#task.do(() => this.#more());
  }

  async #more() {
    const look = this.#look;
    const answer = await this.#api.calls(this.#pages + 1);
    if (this.#look !== look) return;
    if (this.#pages === 0) part('past-calls-rows').replaceChildren();
    this.#pages = answer.page;
    part('past-calls-rows').append(...answer.data.map((call) => this.#row(pastCall(call))));
    setText(part('past-calls-count'), countWords(answer.totalCount));
    part('past-calls-more').hidden = answer.page >= answer.totalPages;
    part('past-calls-body').hidden = false;
  }

  #row(call) {
    const item = document.createElement('li');
    const highlights = line('ul', '', 'highlights');
    highlights.append(...call.highlights.map((words) => line('li', words)));
    const read = line('button', 'Read what was said', 'link');
    read.type = 'button';
    read.addEventListener('click', () => this.#task.do(() => this.#read(call, read)));
    item.append(line('p', call.title), line('p', call.about, 'hint'));
    if (call.highlights.length > 0) item.append(highlights);
    item.append(read);
    return item;
  }

  async #read({ id, voice }, button) {
    const look = this.#look;
    const lines = spokenLines(await this.#api.call(id), voice);
    if (this.#look !== look) return;
    const said = lines.length > 0 ? saidList(lines) : line('p', NOTHING_KEPT, 'hint');
    said.tabIndex = -1;
    button.replaceWith(said);
    said.focus(); // what was pressed is gone
  }
}

function saidList(lines) {
  const said = line('ol', '', 'rows');
  said.setAttribute('aria-label', 'What was said');
  said.append(...lines.map(({ who, text }) => line('li', `${who}: ${text}`)));
  return said;
}

/** Words are never more than text. */
function line(tag, words, className = '') {
  const made = document.createElement(tag);
  Object.assign(made, { textContent: words, className });
  return made;
}
