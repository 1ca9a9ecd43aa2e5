/** A box of the page in which one thing is done at a time, its trouble told in words. */

import { setText } from './stage_view.js';
import { apiWords } from './words.js';

export class OneAtATime {
  #box;

  #problem;

  /** `problem` is the element inside `box` for the words. */
  constructor(box, problem) {
    this.#box = box;
    this.#problem = problem;
  }

  /** `wordsOf` says what an ApiError means here. */
  async do(act, wordsOf = apiWords) {
    this.#problem.hidden = true;
    this.#setBusy(true);
    try {
      await act();
    } catch (error) {
      setText(this.#problem, wordsOf(error));
      this.#problem.hidden = false;
      this.#problem.scrollIntoView({ block: 'nearest' });
    } finally {
      this.#setBusy(false);
    }
  }

  #setBusy(busy) {
    this.#box.setAttribute('aria-busy', String(busy));
    for (const button of this.#box.querySelectorAll('button')) button.disabled = busy;
  }
}
