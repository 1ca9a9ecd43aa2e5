/** What is remembered: a setting, a list that can be put right and erased, and a file of it. */

import { MemoryRow } from './memory_row.js';
import { changeOf, countWords, memoryRows, modeOf, modeWords, unsavedWords } from './memory.js';
import { OneAtATime } from './one_at_a_time.js';
import { setText } from './stage_view.js';

const FILE = 'memories.json';
const ERASE = 'Erase everything';
const REALLY = 'Really erase everything?';

const part = (id) => document.getElementById(id);

export class MemoryView {
  #api;

  #box = part('memory');

  #form = part('memory-settings');

  #task = new OneAtATime(this.#box, part('memory-problem'));

  #settings = null; // the answer of /api/call-settings

  #names = new Map();

  #look = {}; // of whom and when: an answer to an older one is thrown away

  constructor(api) {
    this.#api = api;
    this.#box.addEventListener('toggle', () => this.#box.open && this.#load());
    this.#form.addEventListener('input', () => this.#edited());
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#task.do(() => this.#save());
    });
    part('memories-file').addEventListener('click', () => this.#task.do(() => this.#saveFile()));
    part('memories-erase').addEventListener('click', () => this.#eraseAll());
    part('memories-erase').addEventListener('blur', () => setText(part('memories-erase'), ERASE));
  }

  /** Takes an answer of /api/characters, or null. */
  introduce(answer) {
    const rows = Array.isArray(answer?.data) ? answer.data : [];
    this.#names = new Map(rows.map((row) => [row.id, row.name]));
  }

  /** Folded and empty: the next look is a fresh one, maybe of somebody else. */
  close() {
    this.#look = {};
    this.#box.open = false;
    this.#settings = null;
    part('memory-body').hidden = true;
    part('memories').replaceChildren();
  }

  /** At each unfolding: memories are made after calls. */
  #load() {
    const look = {};
    this.#look = look;
    return this.#task.do(async () => {
      const answers = await Promise.all([this.#api.callSettings(), this.#api.memories()]);
      if (this.#look !== look) return;
      this.#showSettings(answers[0]);
      this.#showList(answers[1]);
      part('memory-body').hidden = false;
    });
  }

  #showSettings(settings) {
    this.#settings = settings;
    part('memory-mode').value = modeOf(settings);
    part('memory-mode').options.namedItem('memory-lasting').disabled = !settings.lastingOffered;
    part('memory-scope').value = settings.memoryScope;
    part('memory-retention').value = settings.retention;
    part('memory-save').hidden = true;
    setText(part('memory-state'), '');
    this.#explain();
  }

  #explain() {
    const mode = part('memory-mode').value;
    setText(part('memory-hint'), modeWords(mode, this.#settings));
    part('memory-scope-field').hidden = mode !== 'lasting';
  }

  get #chosen() {
    return {
      memory: part('memory-mode').value,
      memoryScope: part('memory-scope').value,
      retention: part('memory-retention').value,
    };
  }

  #edited() {
    this.#explain();
    const isChanged = Object.keys(changeOf(this.#settings, this.#chosen)).length > 0;
    part('memory-save').hidden = !isChanged;
    setText(part('memory-state'), isChanged ? unsavedWords(this.#settings, this.#chosen) : '');
  }

  async #save() {
    const change = changeOf(this.#settings, this.#chosen);
    this.#showSettings(await this.#api.setCallSettings(change));
    setText(part('memory-state'), 'Saved.');
    part('memory-mode').focus(); // the button is gone
  }

  #showList(answer) {
    const rows = memoryRows(answer, this.#names);
    const edit = async (id, content) => {
      await this.#api.editMemory(id, content);
      await this.#refresh('Changed.');
    };
    const erase = async (id) => {
      await this.#api.eraseMemory(id);
      await this.#refresh('Erased.');
    };
    const acting = (act) => this.#task.do(act);
    part('memories').replaceChildren(
      ...rows.map((row) => new MemoryRow(row, { edit, erase, acting }).item),
    );
    setText(part('memories-count'), countWords(rows.length));
    part('memories-actions').hidden = rows.length === 0;
  }

  async #refresh(words) {
    const look = this.#look;
    const answer = await this.#api.memories();
    if (this.#look !== look) return;
    this.#showList(answer);
    setText(part('memories-count'), `${words} ${part('memories-count').textContent}`);
    part('memories-count').focus(); // what was pressed is gone
  }

  /** The second press does it; looking elsewhere takes the first one back. */
  #eraseAll() {
    if (part('memories-erase').textContent !== REALLY) {
      setText(part('memories-erase'), REALLY);
      return;
    }
    setText(part('memories-erase'), ERASE);
    this.#task.do(async () => {
      await this.#api.eraseMemories();
      await this.#refresh('Erased.');
    });
  }

  async #saveFile() {
    const memories = await this.#api.exportMemories();
    const text = JSON.stringify(memories, null, 2);
    const address = URL.createObjectURL(new Blob([text], { type: 'application/json' }));
    const link = document.createElement('a');
    Object.assign(link, { href: address, download: FILE });
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 0); // once the browser has begun
  }
}
