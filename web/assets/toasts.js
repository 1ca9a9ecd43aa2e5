/** Short messages of the agent that come and go. */

const SHOWN_FOR_MS = 6_000;
const SHOWN_MAX = 3; // an agent that floods us fills no screen
const TEXT_MAX = 300;
const VARIANTS = new Set(['error', 'warning', 'success']);

export class Toasts {
  #box;

  constructor(box) {
    this.#box = box;
  }

  /** `{title, description?, variant}` as RPC pg.toast carries it. */
  show(message) {
    const text = [message?.title, message?.description]
      .filter((word) => typeof word === 'string' && word)
      .join(' – ')
      .slice(0, TEXT_MAX);
    if (!text) return;
    const toast = document.createElement('p');
    toast.className = `toast ${VARIANTS.has(message.variant) ? message.variant : 'info'}`;
    toast.setAttribute('role', message.variant === 'error' ? 'alert' : 'status');
    toast.textContent = text;
    this.#box.append(toast);
    while (this.#box.childElementCount > SHOWN_MAX) this.#box.firstElementChild.remove();
    setTimeout(() => toast.remove(), SHOWN_FOR_MS);
  }
}
