/** Whom to call: one of the service's characters, one's own, or somebody in one's own words. */

const part = (id) => document.getElementById(id);

export class CharacterPicker {
  #select = part('character');

  #language = 'en';

  #characters = new Map();

  constructor() {
    this.#select.addEventListener('input', () => this.#show());
  }

  /** Takes an answer of /api/characters; without any the choice is not shown. */
  offer(answer, language) {
    const rows = Array.isArray(answer?.data) ? answer.data : [];
    this.#language = language;
    this.#characters = new Map(rows.map((row) => [row.id, row]));
    const named = (row) => (row.is_adult ? `${row.name} (18+)` : row.name);
    const options = rows.map((row) => new Option(named(row), row.id));
    this.#select.replaceChildren(new Option('In your own words', ''), ...options);
    part('character-field').hidden = rows.length === 0;
    this.#show();
  }

  /** What goes into a call's choices; nothing without a character. */
  get choice() {
    const chosen = this.#chosen;
    return chosen ? { characterId: chosen.id, name: chosen.name, instructions: '' } : {};
  }

  get voice() {
    return this.#chosen?.voices?.name ?? '';
  }

  set disabled(disabled) {
    this.#select.disabled = disabled;
  }

  isSource(event) {
    return event.target === this.#select;
  }

  get #chosen() {
    return this.#characters.get(this.#select.value);
  }

  #show() {
    const described = this.#chosen?.localized_descriptions ?? {};
    part('character-hint').textContent = described[this.#language] ?? described.en ?? '';
    part('instructions-field').hidden = this.#chosen !== undefined;
  }
}
