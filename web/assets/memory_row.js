/** One thing that is remembered: read, put right, erased. Its words are never more than text. */

import { CONTENT_CHARS_MAX } from './memory.js';

export class MemoryRow {
  item = document.createElement('li');

  #row;

  #on;

  /** `edit(id, content)`, `erase(id)`; `acting(act)` does one thing at a time. */
  constructor(row, on) {
    this.#row = row;
    this.#on = on;
    this.#read();
  }

  #read() {
    const { id, content, about } = this.#row;
    const words = document.createElement('p');
    words.textContent = content;
    const hint = document.createElement('p');
    hint.className = 'hint';
    hint.textContent = about;
    const change = button('Change', `Change: ${content}`, () => this.#write());
    const erase = button('Erase', `Erase: ${content}`, () =>
      this.#on.acting(() => this.#on.erase(id)),
    );
    this.item.replaceChildren(words, hint, row(change, erase));
  }

  #write() {
    const { id, content } = this.#row;
    const form = document.createElement('form');
    const field = document.createElement('textarea');
    Object.assign(field, { value: content, maxLength: CONTENT_CHARS_MAX, required: true, rows: 2 });
    field.setAttribute('aria-label', 'What is remembered, in your words');
    const save = button('Save', 'Save your words');
    save.type = 'submit';
    const cancel = button('Cancel', 'Leave it as it was', () => {
      this.#read();
      this.item.querySelector('button').focus();
    });
    form.append(field, row(save, cancel));
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#on.acting(() => this.#on.edit(id, field.value));
    });
    this.item.replaceChildren(form);
    field.focus();
  }
}

function row(...buttons) {
  const box = document.createElement('div');
  box.className = 'row-buttons';
  box.append(...buttons);
  return box;
}

/** `named` begins with the word on it and says which one it is. */
function button(word, named, pressed = null) {
  const made = document.createElement('button');
  Object.assign(made, { type: 'button', className: 'link', textContent: word });
  made.setAttribute('aria-label', named);
  if (pressed) made.addEventListener('click', pressed);
  return made;
}
