/** Who is calling: by e-mail on the local stack, by session token anywhere else. */

import { apiWords } from './words.js';

export class LoginView {
  #form = document.getElementById('login');

  #field;

  #button = this.#form.querySelector('button[type=submit]');

  /** `logIn(entered)` resolves when the session stands; `failed(words)` is told what went wrong. */
  constructor({ local, logIn, failed }) {
    this.#keepOneField(local ? 'email' : 'token', local ? 'token' : 'email');
    this.#form.addEventListener('submit', async (event) => {
      event.preventDefault();
      this.#button.disabled = true;
      try {
        await logIn(this.#field.value.trim());
      } catch (error) {
        failed(apiWords(error));
        this.#field.focus();
      } finally {
        this.#button.disabled = false;
      }
    });
  }

  open() {
    this.#field.focus();
  }

  /** The other way to log in is taken out, so that its `required` can't block this one. */
  #keepOneField(kept, removed) {
    document.getElementById(`login-${removed}`).remove();
    this.#field = document.getElementById(kept);
  }
}
