/** The question whether a call may be recorded, and the sign that it is, with the way to stop it. */

import { setText } from './stage_view.js';

const part = (id) => document.getElementById(id);

export class RecordingView {
  #asks = false;

  /** `decided(yes)` is told of each press. */
  constructor(decided) {
    part('recording-yes').addEventListener('click', () => decided(true));
    part('recording-no').addEventListener('click', () => decided(false));
  }

  /** `recording` of a call's state: {asks, words, choices}, or null where there is nothing to say. */
  show(recording) {
    part('recording').hidden = !recording;
    const asks = recording?.asks === true;
    const comes = asks && !this.#asks;
    this.#asks = asks;
    if (!recording) return;
    const { words, choices } = recording;
    setText(part('recording-words'), words);
    part('recording-yes').hidden = !asks;
    if (asks) setText(part('recording-yes'), choices[0]);
    setText(part('recording-no'), choices.at(-1));
    if (comes) part('recording-no').focus(); // the answer that gives nothing away
  }
}
