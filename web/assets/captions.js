/**
 * The words of both sides, in the order they began. No DOM.
 *
 * An agent may send the same words twice: as text streams (topic lk.transcription) and as the older
 * transcription packets, under different ids. From the first stream on, packets are not believed.
 */

const LINES_MAX = 500; // an hour of talk; older lines leave the page, not the stored transcript

export class Captions {
  /** id -> {id, speaker: 'you' | 'agent', text, final}, oldest first */
  #lines = new Map();

  #streamsSeen = false;

  get lines() {
    return [...this.#lines.values()];
  }

  /** All the text of one segment so far. Gives the lines that must be redrawn or left out. */
  hear({ id, speaker, text, final, fromStream }) {
    if (fromStream && !this.#streamsSeen) this.#switchToStreams();
    if (!fromStream && this.#streamsSeen) return;
    const key = `${fromStream ? 'stream' : 'packet'} ${speaker} ${id}`;
    const before = this.#lines.get(key);
    if (before?.final && !final) return; // overtaken on the way
    if (!text.trim() && !before) return;
    this.#lines.set(key, Object.freeze({ id: key, speaker, text, final: Boolean(final) }));
    if (this.#lines.size > LINES_MAX) this.#lines.delete(this.#lines.keys().next().value);
  }

  clear() {
    this.#lines.clear();
    this.#streamsSeen = false;
  }

  #switchToStreams() {
    this.#streamsSeen = true;
    this.#lines.clear();
  }
}
