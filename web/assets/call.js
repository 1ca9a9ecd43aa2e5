/**
 * One call from the click to the end: a state machine without DOM and without money.
 *
 *   idle -> microphone -> asking -> connecting -> ringing -> talking -> ended
 *
 * Each step can fail into `idle` (no call came to be; words say why) or, once there is a call id,
 * into `ended`. Nothing waits without a limit, so no state can last for ever.
 */

import { ApiError } from './api.js';
import { Line } from './line.js';
import { NEW_METER, heard, held } from './meter.js';
import * as words from './words.js';

const CALL_AGAIN_AFTER_MS = 5_000; // the service asks for another agent at this time
const GIVE_UP_AFTER_MS = 12_000;
const AGENT_RETURN_LIMIT_MS = 10_000;
const GOODBYE_LIMIT_MS = 3_000; // the last words may still be playing when the meter has ended
const CONNECT_LIMIT_MS = 30_000;
const UPDATE_DELAY_MS = 500;

const IDLE = Object.freeze({
  phase: 'idle', // see the picture above
  voice: '', // the name of who is talking
  ticket: null, // {callId, creditsPerMinute, maxSeconds, disclosure} once the call is admitted
  meter: NEW_METER,
  muted: false,
  agentSpeaking: false,
  callerSpeaking: false,
  soundBlocked: false,
  hint: '', // a passing trouble in words, while the call goes on
  notice: '', // what the service says to the caller
  link: null, // {words, url} a page of ours that the agent shows
  problem: null, // {words, status, retryAfterS} why there is no call, or why it ended
  crisis: '', // where to find help; stays until the next call
  recording: null, // {asks, words, choices} while it is asked for, and while it goes on
  wasRecorded: false, // to its end, so that there is something to hear
  farewell: '', // why it ended when nothing was wrong
  lastWords: '', // what the service said had gone wrong, before it closes the room
});

/** What the service says of a recording; null where there is nothing to decide. */
function recordingOf({ kind, message, choices }) {
  const asks = kind === 'recording_question';
  const labels = Array.isArray(choices) ? choices.map(String) : [];
  if (kind === 'recording_off' || labels.length !== (asks ? 2 : 1)) return null;
  return { asks, words: message, choices: labels };
}

const RECORDING = new Set(['recording_question', 'recording_on', 'recording_off']);
const OUT_OF_CREDIT = new Set(['insufficient_credits', 'monthly_cap']);

/** Only what a browser may open as a page; null for anything else. */
function linkOf(words, address) {
  if (typeof address !== 'string' || !URL.canParse(address, window.location.href)) return null;
  const url = new URL(address, window.location.href);
  return ['http:', 'https:'].includes(url.protocol) ? { words, url: url.href } : null;
}

const RUNNING = new Set(['microphone', 'asking', 'connecting', 'ringing', 'talking']);

export class Call {
  #livekit;

  #api;

  #on;

  #state = IDLE;

  #line = null;

  /** What the agent works with, as far as we know. */
  #told = null;

  /** What the hint says while the voice is away. */
  #away = '';

  #timers = new Map();

  /** `on`: changed(state), voice(mediaElement), caption(segment), toast(message), toppedUp(). */
  constructor({ livekit, api, on }) {
    this.#livekit = livekit;
    this.#api = api;
    this.#on = on;
  }

  get state() {
    return this.#state;
  }

  get running() {
    return RUNNING.has(this.#state.phase);
  }

  /** Must run inside a click. `choices`: {voice, language, instructions}, or with {characterId, name}. */
  async start(choices) {
    if (this.running) return;
    const line = new Line(this.#livekit, this.#callbacks());
    this.#line = line;
    line.unlockSound();
    this.#set({ ...IDLE, phase: 'microphone', voice: choices.name ?? choices.voice });
    this.#told = choices;
    try {
      await line.openMicrophone();
      if (this.#line !== line) return;
      this.#set({ phase: 'asking' });
      const ticket = await this.#api.callToken(choices);
      if (this.#line !== line) return;
      this.#set({ phase: 'connecting', ticket });
      this.#after('connect', CONNECT_LIMIT_MS, () => this.#stop({ words: words.CONNECT_FAILED }));
      await line.connect(ticket.url, ticket.accessToken);
      if (this.#line === line) this.#ring();
    } catch (error) {
      if (this.#line === line) this.#stop(this.#startProblem(error));
    }
  }

  /** The caller hangs up, in whatever state the call is. */
  end() {
    if (this.running) this.#stop(null, words.HUNG_UP);
  }

  /** Back to the form after a call. */
  reset() {
    if (!this.running) this.#set(IDLE);
  }

  async setMuted(muted) {
    const line = this.#line;
    if (!line) return;
    await line.setMuted(muted);
    if (this.#line === line) this.#set({ muted });
  }

  unlockSound() {
    this.#line?.unlockSound();
  }

  /** May this call be recorded? What comes of it is said by the agent. */
  async decideRecording(yes) {
    const line = this.#line;
    try {
      await line?.decideRecording(yes);
    } catch {
      if (this.#line === line) this.#on.toast({ title: words.DECISION_LOST, variant: 'error' });
    }
  }

  /** Takes effect half a second after the last edit; silent before the agent is there. */
  edit(choices) {
    if (this.#state.phase === 'talking') {
      this.#after('edit', UPDATE_DELAY_MS, () => this.#update(choices));
    }
  }

  async #update(choices) {
    if (sameConfig(choices, this.#told)) return;
    const line = this.#line;
    try {
      const changed = await line.updateConfig(choices);
      if (this.#line !== line) return;
      this.#told = choices;
      if (changed) this.#set({ voice: choices.name ?? choices.voice });
      const title = changed ? words.UPDATED : words.UNCHANGED;
      this.#on.toast({ title, variant: changed ? 'success' : 'info' });
    } catch {
      if (this.#line === line) this.#on.toast({ title: words.UPDATE_FAILED, variant: 'error' });
    }
  }

  #ring() {
    this.#clear('connect');
    if (this.#state.phase === 'talking') return;
    this.#set({ phase: 'ringing' });
    this.#after('again', CALL_AGAIN_AFTER_MS, () => this.#set({ hint: words.CALLING_AGAIN }));
    this.#after('give up', GIVE_UP_AFTER_MS, () => this.#stop({ words: words.NOBODY_CAME }));
  }

  #callbacks() {
    return {
      agent: (present) => (present ? this.#agentCame() : this.#agentWent()),
      meter: (message) => this.#meterSays(message),
      notice: (message) => this.#noticeSays(message),
      toast: (message) => this.#toastSays(message),
      fatal: (message) => this.#fatal(message ?? {}),
      caption: (segment) => this.#on.caption(segment),
      voice: (element) => this.#on.voice(element),
      interrupted: (interrupted) => this.#interrupted(interrupted),
      closed: (reason) => this.#closed(reason),
      speaking: ({ agent, caller }) => this.#set({ agentSpeaking: agent, callerSpeaking: caller }),
      microphoneLost: () => this.#set({ hint: words.MICROPHONE_LOST }),
      soundBlocked: (soundBlocked) => this.#set({ soundBlocked }),
    };
  }

  #agentCame() {
    for (const name of ['connect', 'again', 'give up', 'return']) this.#clear(name);
    this.#set({ phase: 'talking', hint: '' });
  }

  #agentWent() {
    if (this.#state.meter.state === 'ended') {
      this.#closed('ROOM_DELETED');
      return;
    }
    this.#set({ hint: words.AGENT_GONE, agentSpeaking: false, meter: this.#heldMeter() });
    this.#after('return', AGENT_RETURN_LIMIT_MS, () => this.#stop({ words: words.AGENT_LOST }));
  }

  #meterSays(message) {
    this.#set({ meter: heard(this.#state.meter, message, performance.now()) });
    const { hint, meter } = this.#state;
    if (hint === this.#away && meter.state === 'running') this.#set({ hint: '' });
    if (this.#state.meter.state === 'ended') {
      this.#after('goodbye', GOODBYE_LIMIT_MS, () => this.#closed('ROOM_DELETED'));
    }
  }

  /** Whatever a notice says stands on the page already. */
  #toastSays(message) {
    const { hint, notice } = this.#state;
    if (![hint, notice].includes(message?.title)) this.#on.toast(message);
  }

  #noticeSays(notice) {
    const text = typeof notice?.message === 'string' ? notice.message : '';
    if (!text) return;
    if (notice.kind === 'link') {
      this.#set({ link: linkOf(text, notice.url) });
      return;
    }
    if (RECORDING.has(notice.kind)) {
      this.#set({ recording: recordingOf(notice) });
      return;
    }
    if (notice.kind === 'credit_added') this.#on.toppedUp();
    if (notice.kind === 'goodbye' || notice.kind === 'ended') this.#set({ farewell: text });
    if (notice.kind === 'agent_lost') this.#set({ lastWords: text });
    if (notice.kind === 'crisis') this.#set({ crisis: text });
    else if (notice.kind === 'agent_late') this.#set({ hint: words.CALLING_AGAIN });
    else if (notice.kind === 'provider_away') {
      this.#away = text;
      this.#set({ hint: text });
    }
    else this.#set({ notice: text });
  }

  /** Credit that ran out in mid-call is a way to end, not a fault. */
  #fatal(message) {
    const { farewell } = this.#state;
    if (farewell && OUT_OF_CREDIT.has(message.error)) this.#stop(null, farewell);
    else this.#stop({ words: words.agentErrorWords(message) });
  }

  #interrupted(interrupted) {
    const hint = interrupted ? words.RECONNECTING : '';
    this.#set({ hint, meter: interrupted ? this.#heldMeter() : this.#state.meter });
  }

  #closed(reason) {
    const { farewell, lastWords, meter, phase } = this.#state;
    if (!RUNNING.has(phase) || phase === 'connecting') return; // connect() itself says what failed
    if (farewell) this.#stop(null, farewell);
    else if (meter.state === 'ended') this.#stop(null, words.closedWords(reason));
    else this.#stop({ words: lastWords || words.closedWords(reason) });
  }

  #heldMeter() {
    return held(this.#state.meter, performance.now());
  }

  #startProblem(error) {
    if (error instanceof ApiError) {
      const { status, code, retryAfterS } = error;
      return { words: words.callWords(error), status, code, retryAfterS };
    }
    const { phase } = this.#state;
    if (phase === 'microphone') return { words: words.microphoneWords(error) };
    // the agent may be there before the microphone is; then seconds may have been counted
    return { words: phase === 'talking' ? words.closedWords('') : words.CONNECT_FAILED };
  }

  #stop(problem, farewell = '') {
    for (const name of [...this.#timers.keys()]) this.#clear(name);
    this.#line?.close();
    this.#line = null;
    const { ticket, voice, crisis, recording } = this.#state;
    const wasRecorded = recording?.asks === false;
    const meter = this.#heldMeter();
    const phase = ticket ? 'ended' : 'idle';
    this.#set({
      ...IDLE, phase, voice, ticket, meter, problem, farewell, crisis, wasRecorded,
    });
  }

  #set(change) {
    this.#state = Object.freeze({ ...this.#state, ...change });
    this.#on.changed(this.#state);
  }

  #after(name, ms, act) {
    this.#clear(name);
    this.#timers.set(name, setTimeout(act, ms));
  }

  #clear(name) {
    clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
  }
}

function sameConfig(one, other) {
  return one.voice === other?.voice && one.instructions === other?.instructions;
}
