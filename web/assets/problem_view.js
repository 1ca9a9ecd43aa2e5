/** What went wrong, in words, and how long to wait before it is worth another try. */

export class ProblemView {
  #box;

  #buttons;

  #timer = null;

  /** `buttons` can't be pressed while the service asked us to wait. */
  constructor(box, buttons) {
    this.#box = box;
    this.#buttons = buttons;
  }

  show({ words, retryAfterS = null }) {
    this.hide();
    const sentence = document.createElement('p');
    sentence.textContent = words;
    this.#box.append(sentence);
    this.#box.hidden = false;
    if (retryAfterS) this.#countDown(retryAfterS);
  }

  hide() {
    clearInterval(this.#timer);
    this.#allow(true);
    this.#box.replaceChildren();
    this.#box.hidden = true;
  }

  #countDown(seconds) {
    const untilMs = performance.now() + seconds * 1000;
    const face = document.createElement('p');
    face.setAttribute('aria-live', 'off'); // or each second would be read aloud
    this.#box.append(face);
    this.#allow(false);
    const tick = () => {
      const left = Math.ceil((untilMs - performance.now()) / 1000);
      face.textContent = left > 0 ? `You can call again in ${left} s.` : 'You can call again now.';
      if (left > 0) return;
      clearInterval(this.#timer);
      this.#allow(true);
    };
    tick();
    this.#timer = setInterval(tick, 250);
  }

  #allow(allowed) {
    for (const button of this.#buttons) button.disabled = !allowed;
  }
}
