/**
 * The control plane's /api, as far as the page needs it.
 *
 * Every function gives the answer's body or throws ApiError; nothing else comes out.
 */

const REQUEST_LIMIT_MS = 15_000; // a healthy answer takes milliseconds; longer is a broken network
const RETRY_AFTER_MAX_S = 600; // never believe a longer wait

/** `status` is 0 when no answer came; `serverWords` may be shown to the caller as they are. */
export class ApiError extends Error {
  constructor({ status = 0, code = '', serverWords = '', retryAfterS = null }) {
    super(`${status} ${code}`);
    this.name = 'ApiError';
    Object.assign(this, { status, code, serverWords, retryAfterS });
  }
}

/** `token()` gives the session token of now, or null. */
export function createApi({ token, fetch = globalThis.fetch.bind(globalThis) }) {
  const ask = (method, path, body) => request({ fetch, method, path, body, token: token() });
  return {
    logIn: (email) => ask('POST', '/dev/session', { email }),
    config: () => ask('GET', '/page-config.json'),
    credits: () => ask('GET', '/api/credits'),
    voices: () => ask('GET', '/api/voices?feature=call'),
    callToken: (choices) => ask('POST', '/api/call-token', callTokenBody(choices)),
    characters: () => ask('GET', '/api/characters'),
    report: (report) => ask('POST', '/api/reports', report),
    stateAge: (isAdult) => ask('POST', '/api/age', { isAdult }),
    calls: (page) => ask('GET', `/api/calls?page=${page}`),
    call: (callId) => ask('GET', `/api/calls/${encodeURIComponent(callId)}`),
    recording: (callId) => ask('GET', `/api/calls/${encodeURIComponent(callId)}/recording`),
    deleteRecording: (callId) =>
      ask('DELETE', `/api/calls/${encodeURIComponent(callId)}/recording`),
    packages: () => ask('GET', '/api/packages'),
    plans: () => ask('GET', '/api/plans'),
    subscription: () => ask('GET', '/api/subscription'),
    openCheckout: (wish) => ask('POST', '/api/checkout', wish),
    openPlan: (planId) => ask('POST', '/api/subscription/checkout', { planId }),
    openPortal: () => ask('POST', '/api/portal'),
    autoTopUp: () => ask('GET', '/api/auto-topup'),
    setAutoTopUp: (wish) => ask('PUT', '/api/auto-topup', wish),
    callSettings: () => ask('GET', '/api/call-settings'),
    setCallSettings: (change) => ask('PATCH', '/api/call-settings', change),
    memories: () => ask('GET', '/api/memories'),
    exportMemories: () => ask('GET', '/api/memories/export'),
    editMemory: (id, content) => ask('PUT', '/api/memories', { id, content }),
    eraseMemory: (id) => ask('DELETE', `/api/memories?id=${encodeURIComponent(id)}`),
    eraseMemories: () => ask('DELETE', '/api/memories'),
    phoneNumbers: () => ask('GET', '/api/phone-numbers'),
    addPhoneNumber: (wish) => ask('POST', '/api/phone-numbers', wish),
    removePhoneNumber: (id) => ask('DELETE', `/api/phone-numbers/${encodeURIComponent(id)}`),
    setPhonePin: (pin) => ask('PUT', '/api/phone-pin', { pin }),
  };
}

function callTokenBody({ instructions, language, voice, characterId = null }) {
  return {
    instructions,
    language,
    selectedPresetId: characterId,
    selectedSceneId: null,
    sessionConfig: { maxOutputTokens: null, model: '', temperature: 0.8, voice },
  };
}

async function request({ fetch, method, path, body, token }) {
  const headers = { Accept: 'application/json' };
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  let response;
  let answer;
  try {
    response = await fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: 'no-store',
      credentials: 'omit',
      signal: AbortSignal.timeout(REQUEST_LIMIT_MS),
    });
    answer = await readJson(response);
  } catch (error) {
    throw new ApiError({ code: error?.name === 'TimeoutError' ? 'timeout' : 'network' });
  }
  if (!response.ok) throw refusal(response, answer);
  if (answer === null) throw new ApiError({ status: response.status, code: 'unreadable' });
  return answer;
}

/** The body as JSON; null when it is something else, such as a proxy's error page. */
async function readJson(response) {
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function refusal(response, answer) {
  const body = answer !== null && typeof answer === 'object' ? answer : {};
  const words = [body.error, body.serverMessage].find((word) => typeof word === 'string' && word);
  return new ApiError({
    status: response.status,
    code: typeof body.code === 'string' ? body.code : '',
    serverWords: words ?? '',
    retryAfterS: waitSeconds(response.headers.get('Retry-After') ?? body.retryAfter),
  });
}

/** Whole seconds to wait, or null. A date in Retry-After is not understood: nobody here sends it. */
function waitSeconds(value) {
  const seconds = Number(value ?? NaN);
  if (!Number.isFinite(seconds) || seconds <= 0) return null;
  return Math.min(Math.ceil(seconds), RETRY_AFTER_MAX_S);
}
