/** Captions on the page: a list that grows downwards, and a quiet copy for screen readers. */

import { Captions } from './captions.js';

const NEAR_THE_END_PX = 60; // a reader who scrolled up further than this is left in peace

export class CaptionsView {
  #captions = new Captions();

  #list;

  #spoken;

  /** id of a line -> its list item */
  #items = new Map();

  constructor(list, spoken) {
    this.#list = list;
    this.#spoken = spoken;
  }

  hear(segment) {
    this.#captions.hear(segment);
    const { scrollHeight, scrollTop, clientHeight } = this.#list;
    const following = scrollHeight - scrollTop - clientHeight < NEAR_THE_END_PX;
    this.#draw();
    if (following) this.#list.scrollTop = this.#list.scrollHeight;
  }

  clear() {
    this.#captions.clear();
    this.#draw();
    this.#spoken.textContent = '';
  }

  #draw() {
    const { lines } = this.#captions;
    const kept = new Set(lines.map((line) => line.id));
    for (const [id, item] of this.#items) {
      if (!kept.has(id)) item.remove();
      if (!kept.has(id)) this.#items.delete(id);
    }
    lines.forEach((line, index) => this.#drawLine(line, lines[index - 1]));
  }

  #drawLine(line, above) {
    const item = this.#items.get(line.id) ?? this.#add(line);
    const words = item.lastElementChild;
    item.classList.toggle('follows', above?.speaker === line.speaker);
    if (words.textContent !== line.text) words.textContent = line.text;
    if (line.final && item.dataset.final !== 'true') this.#say(line);
    item.dataset.final = String(line.final);
  }

  #add({ id, speaker }) {
    const item = document.createElement('li');
    item.className = speaker;
    const name = document.createElement('span');
    name.className = 'speaker';
    name.textContent = speaker === 'you' ? 'You' : (this.#list.dataset.agent ?? 'Agent');
    const words = document.createElement('span');
    words.className = 'words';
    words.dir = 'auto';
    item.append(name, words);
    this.#items.set(id, item);
    this.#list.append(item);
    return item;
  }

  /** Only finished turns: half sentences read aloud would drown the call itself. */
  #say({ speaker, text }) {
    const name = speaker === 'you' ? 'You' : (this.#list.dataset.agent ?? 'Agent');
    this.#spoken.textContent = `${name}: ${text}`;
  }
}
