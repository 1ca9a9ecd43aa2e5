/** The page, wired once: session, call and views. What each part shows is decided in its view. */

import { AccountView } from './account_view.js';
import { AGE_NEEDED, AgeView } from './age_view.js';
import { createApi } from './api.js';
import { Call } from './call.js';
import { showCall, showMeter } from './call_view.js';
import { CaptionsView } from './captions_view.js';
import { LoginView } from './login_view.js';
import { MemoryView } from './memory_view.js';
import { PastCallsView } from './past_calls_view.js';
import { ProblemView } from './problem_view.js';
import { RecordedView } from './recorded_view.js';
import { RecordingView } from './recording_view.js';
import { ReportView } from './report_view.js';
import { Session } from './session.js';
import { SettlementView } from './settlement_view.js';
import { SetupView } from './setup_view.js';
import { ShopView } from './shop_view.js';
import { setText, showStage } from './stage_view.js';
import { TelephoneView } from './telephone_view.js';
import { Toasts } from './toasts.js';
import { PARTS_MISSING, apiWords } from './words.js';

const METER_EVERY_MS = 200; // five looks a second, so that no second is shown late

/** Which parts are to be seen; those that are not named are hidden. */
const SHOWN = {
  loading: [],
  login: ['login'],
  idle: ['account', 'setup', 'shop', 'telephone', 'memory', 'past-calls'],
  microphone: ['call'],
  asking: ['call'],
  connecting: ['call'],
  ringing: ['call'],
  talking: ['call', 'transcript', 'setup', 'shop'],
  ended: ['account', 'settlement', 'shop', 'telephone', 'memory', 'past-calls', 'transcript'],
};
const PARTS = [...new Set(Object.values(SHOWN).flat())];

const part = (id) => document.getElementById(id);
const session = new Session({ storage: sessionStorage, location, history });
const api = createApi({ token: () => session.token });
const account = new AccountView(api);
const captions = new CaptionsView(part('captions'), part('captions-spoken'));
const problem = new ProblemView(part('problem'), [part('dial')]);
const age = new AgeView(api, ageAnswered);
const recorded = new RecordedView(api);
const recording = new RecordingView((yes) => call.decideRecording(yes));
const report = new ReportView(api);
const settlement = new SettlementView(api);
const toasts = new Toasts(part('toasts'));
const setup = new SetupView({ dialled: dial, edited });
const memory = new MemoryView(api);
const pastCalls = new PastCallsView(api);
const telephone = new TelephoneView(api);
const shop = new ShopView({ api, inCall: () => call.running });

let call = null;
let login = null;
let endings = {};
let sells = false;
let hasPhone = false;
let shownPhase = 'loading';

async function begin() {
  let livekit;
  let config;
  try {
    config = await api.config();
    livekit = await import('/assets/vendor/livekit-client.esm.mjs');
  } catch (error) {
    refuse(config ? PARTS_MISSING : apiWords(error));
    return;
  }
  livekit.setLogLevel('error');
  endings = config.endings ?? {};
  sells = config.sells === true;
  hasPhone = config.phone === true;
  const local = config.local === true;
  const failed = (words) => problem.show({ words });
  login = new LoginView({ local, logIn: (entered) => logIn(entered, local), failed });
  call = new Call({
    livekit,
    api,
    on: {
      changed,
      voice: (element) => part('sounds').append(element),
      caption: (segment) => captions.hear(segment),
      toast: (message) => toasts.show(message),
      toppedUp: () => account.addTopUp().catch(() => {}), // the next look shows it
    },
  });
  listen();
  if (session.token) await resume();
  else leave('');
}

/** With the session of before a reload. A broken network does not end it, a refusal does. */
async function resume() {
  try {
    await enter();
  } catch (error) {
    if (error.status === 401) leave(apiWords(error));
    else refuse(apiWords(error));
  }
}

async function logIn(entered, local) {
  problem.hide();
  session.open(local ? (await api.logIn(entered)).token : entered);
  try {
    await enter();
  } catch (error) {
    session.close();
    throw error;
  }
}

function listen() {
  part('log-out').addEventListener('click', () => {
    call.end();
    leave('');
  });
  part('mute').addEventListener('click', () => call.setMuted(!call.state.muted));
  part('end').addEventListener('click', () => call.end());
  part('sound').addEventListener('click', () => call.unlockSound());
  part('again').addEventListener('click', () => dial(setup.choices));
  part('change').addEventListener('click', () => {
    problem.hide();
    settlement.close();
    captions.clear();
    call.reset();
  });
  addEventListener('pageshow', (event) => event.persisted && comeBack());
  document.addEventListener('visibilitychange', lookAgain);
  setInterval(() => call.running && showMeter(call.state, account.spendable), METER_EVERY_MS);
}

/** Nothing can be done on this page until it is reloaded. */
function refuse(words) {
  problem.show({ words: `${words} Reload the page to try again.` });
  setText(part('status'), '');
}

/** With a session: the account's credit and the form. Throws ApiError. */
async function enter() {
  await account.load();
  const none = () => null;
  const [voices, characters] = await Promise.all([
    api.voices().catch(none),
    api.characters().catch(none),
  ]);
  setup.offer(voices);
  setup.introduce(characters);
  memory.introduce(characters);
  if (account.spendable < 1) offerCredit();
  showPhase('idle');
  showStage(call.state, chosenName());
}

/** From the payment page, by the browser's Back button. */
function comeBack() {
  shop.ready();
  lookAgain();
}

/** Credit may have been bought in another tab. */
function lookAgain() {
  if (document.visibilityState !== 'visible' || call.running || !session.token) return;
  account.load().catch(() => {}); // the next look shows it
}

/** Back to the log-in, with the words why. */
function leave(words) {
  session.close();
  settlement.close();
  shop.close();
  memory.close();
  pastCalls.close();
  telephone.close();
  captions.clear();
  call.reset();
  showPhase('login');
  setText(part('title'), 'Talk to someone');
  setText(part('status'), 'Log in to place a call.');
  problem.hide();
  age.close();
  if (words) problem.show({ words });
  login.open();
}

/** In minors' mode there are fewer characters to call. */
async function ageAnswered() {
  problem.hide();
  setup.introduce(await api.characters().catch(() => null));
  showStage(call.state, chosenName());
  part('dial').focus();
}

function offerCredit() {
  if (sells) shop.unfold();
}

function dial(choices) {
  problem.hide();
  age.close();
  settlement.close();
  captions.clear();
  part('captions').dataset.agent = choices.name ?? choices.voice;
  call.start(choices);
}

/** Of the character, else of the voice. */
function chosenName() {
  return setup.choices.name ?? setup.choices.voice;
}

function edited(choices) {
  showStage(call.state, choices.name ?? choices.voice);
  call.edit(choices);
}

function changed(state) {
  const before = shownPhase;
  showPhase(state.phase);
  showStage(state, chosenName());
  showCall(state, account.spendable);
  recording.show(state.recording);
  if (before !== state.phase) phaseChanged(state);
}

function phaseChanged(state) {
  if (state.problem) problem.show(state.problem);
  if (state.problem?.status === 402) offerCredit();
  if (state.problem?.status === 401) leave(state.problem.words);
  else if (state.phase === 'ended') settle(state);
  else part(state.phase === 'idle' ? 'dial' : 'title').focus();
  if (state.problem?.code === AGE_NEEDED) age.ask();
}

/** The settlement, then the new credit; given up when the caller has gone on to something else. */
async function settle({ ticket, farewell, problem: trouble, wasRecorded }) {
  part('title').focus();
  report.open(ticket.callId);
  recorded.open(wasRecorded ? ticket.callId : null);
  const row = await settlement.open(ticket.callId);
  const gone = () => call.state.ticket !== ticket || call.running;
  if (!row || gone()) return;
  if (!farewell && !trouble) setText(part('status'), endings[row.endReason] ?? '');
  await account.load().catch(() => {});
  if (!gone()) settlement.showLeft(account.spendable);
}

function showPhase(phase) {
  shownPhase = phase;
  document.body.dataset.phase = phase;
  for (const id of PARTS) part(id).hidden = !SHOWN[phase].includes(id);
  if (!sells) part('shop').hidden = true;
  if (!hasPhone) part('telephone').hidden = true;
  setup.show(phase);
}

begin();
