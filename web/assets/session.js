/**
 * Who is calling: a session token, kept in this tab only.
 *
 * A token may arrive as `#token=…`. A fragment never reaches a server; it is taken out of the
 * address at once, so that it stays neither in the history nor in a copied link.
 */

const KEY = 'sexycall.session';

export class Session {
  #storage;

  #token = null;

  constructor({ storage, location, history }) {
    this.#storage = storage;
    this.#token = takeFromAddress(location, history) ?? this.#stored();
    if (this.#token) this.open(this.#token);
  }

  get token() {
    return this.#token;
  }

  open(token) {
    this.#token = token.trim();
    try {
      this.#storage.setItem(KEY, this.#token);
    } catch {
      // storage is switched off: the session lasts until the page is reloaded
    }
  }

  close() {
    this.#token = null;
    try {
      this.#storage.removeItem(KEY);
    } catch {
      // nothing was stored
    }
  }

  #stored() {
    try {
      return this.#storage.getItem(KEY);
    } catch {
      return null;
    }
  }
}

function takeFromAddress(location, history) {
  if (!location.hash.startsWith('#')) return null;
  const token = new URLSearchParams(location.hash.slice(1)).get('token');
  if (token === null) return null;
  history.replaceState(null, '', location.pathname + location.search);
  return token.trim() || null;
}
