/** Voice, language and instructions: before a call all of them, in a call what can still change. */

import { CharacterPicker } from './character_picker.js';
import { INSTRUCTIONS, LANGUAGES, VOICES, preferredLanguage, voiceNames } from './choices.js';

export class SetupView {
  #form = document.getElementById('setup');

  #chips = document.getElementById('voices');

  #language = document.getElementById('language');

  #instructions = document.getElementById('instructions');

  #settings = document.getElementById('settings');

  #dial = document.getElementById('dial');

  #picker = new CharacterPicker();

  /** `dialled(choices)` on the button, `edited(choices)` on each change of any field. */
  constructor({ dialled, edited }) {
    for (const [code, name] of Object.entries(LANGUAGES)) {
      this.#language.append(new Option(name, code));
    }
    this.#language.value = preferredLanguage(navigator.languages ?? []);
    this.#instructions.value = INSTRUCTIONS;
    this.offer(VOICES);
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      dialled(this.choices);
    });
    this.#form.addEventListener('input', (event) => {
      if (this.#picker.isSource(event)) this.#check(this.#picker.voice);
      this.#nameVoice();
      edited(this.choices);
    });
  }

  /** {voice, language, instructions}, with {characterId, name} of a character, as chosen now. */
  get choices() {
    const voice = this.#form.elements.voice.value;
    const language = this.#language.value;
    return { voice, language, instructions: this.#instructions.value, ...this.#picker.choice };
  }

  /** Takes an answer of /api/characters, or null. */
  introduce(answer) {
    this.#picker.offer(answer, this.#language.value);
  }

  /** Takes an answer of /api/voices; keeps the chosen voice if it is still there. */
  offer(answer) {
    const chosen = this.#form.elements.voice?.value;
    const names = voiceNames(answer);
    const checked = names.includes(chosen) ? chosen : names[0];
    this.#chips.replaceChildren(...names.map((name) => chip(name, name === checked)));
    this.#nameVoice();
  }

  show(phase) {
    const inCall = phase !== 'idle';
    if (this.#form.dataset.inCall === String(inCall)) return;
    this.#form.dataset.inCall = String(inCall);
    this.#settings.open = !inCall;
    this.#language.disabled = inCall; // an agent can't change its language in mid-call
    this.#picker.disabled = inCall;
    this.#dial.hidden = inCall;
  }

  #nameVoice() {
    this.#dial.textContent = `Call ${this.choices.name ?? this.choices.voice}`;
  }

  /** The character's own voice; it may still be changed. */
  #check(voice) {
    const chips = [...this.#chips.querySelectorAll('input')];
    const own = chips.find((input) => input.value === voice);
    if (own) own.checked = true;
  }
}

function chip(name, checked) {
  const input = document.createElement('input');
  Object.assign(input, { type: 'radio', name: 'voice', value: name, checked });
  const label = document.createElement('label');
  const word = document.createElement('span');
  word.textContent = name;
  label.append(input, word);
  return label;
}
