/**
 * One connection to a LiveKit room: microphone up, agent's voice down, and what is said besides.
 *
 * Knows LiveKit, knows neither money nor the page. After `close()` nothing is reported any more.
 * Only the agent and the server itself are believed; another participant's data is dropped.
 */

import { receiveCaptions } from './caption_feed.js';

const TOPIC_METER = 'sexycall.meter';
const TOPIC_NOTICE = 'sexycall.notice';
const SERVER = ''; // the identity under which the server's own messages arrive
const ANSWER_LIMIT_MS = 300; // for the answer of pg.error to go out before we hang up
const MESSAGE_BYTES_MAX = 16_384; // a meter message has 80

/**
 * `on` holds the callbacks: agent(present), meter(message), notice(message), toast(message),
 * fatal(message), caption(segment), voice(mediaElement), interrupted(boolean), closed(reasonName),
 * speaking({agent, caller}), microphoneLost(), soundBlocked(boolean).
 */
export class Line {
  #livekit;

  #room;

  #on;

  #microphone = null;

  #open = true;

  /** track -> the element that plays it; LiveKit has forgotten it when the track is gone */
  #sounds = new WeakMap();

  constructor(livekit, on) {
    this.#livekit = livekit;
    this.#on = on;
    this.#room = new livekit.Room({
      disconnectOnPageLeave: true,
      // With one peer connection, livekit-client 2.23 renegotiates while it still applies the first
      // answer ("Transceiver not found based on m-line index"): seen in 6 of 28 calls on a busy
      // machine, 1 to 3 s lost each; in none of 82 with two.
      singlePeerConnection: false,
    });
    this.#listen();
    this.#answerAgent();
    receiveCaptions(this.#room, livekit.RoomEvent, (segment) => this.#tell('caption', segment));
  }

  /** Must run inside a click: browsers let a page make sound only then. */
  unlockSound() {
    this.#room.startAudio().catch(() => {}); // soundBlocked() tells the caller when it matters
  }

  /** Throws what getUserMedia throws, or an error named Insecure. */
  async openMicrophone() {
    if (!globalThis.navigator?.mediaDevices?.getUserMedia) {
      throw Object.assign(new Error('no mediaDevices'), { name: 'Insecure' });
    }
    const track = await this.#livekit.createLocalAudioTrack({
      echoCancellation: true,
      noiseSuppression: true,
      autoGainControl: true,
    });
    if (!this.#open) {
      track.stop();
      return;
    }
    this.#microphone = track;
    track.on(this.#livekit.TrackEvent.Ended, () => this.#tell('microphoneLost'));
  }

  /** In the room, heard, and told whether the agent is there already. Throws when it fails. */
  async connect(url, accessToken) {
    // the microphone is offered as soon as the signal stands, which saves a round trip
    const published = this.#room.localParticipant.publishTrack(this.#microphone);
    published.catch(() => {}); // reported by the line below, unless connect failed first
    await this.#room.connect(url, accessToken);
    await published;
    if (this.#agent()) this.#tell('agent', true);
  }

  async setMuted(muted) {
    await (muted ? this.#microphone?.mute() : this.#microphone?.unmute());
  }

  /** Tells the agent how to go on. True when it changed something; throws when it can't be told. */
  async updateConfig({ instructions, voice }) {
    const agent = this.#agent();
    if (!agent) throw new Error('no agent');
    const answer = await this.#room.localParticipant.performRpc({
      destinationIdentity: agent.identity,
      method: 'pg.updateConfig',
      payload: JSON.stringify({
        instructions,
        max_output_tokens: '',
        model: '',
        temperature: 0.8,
        voice,
      }),
    });
    return JSON.parse(answer).changed === true;
  }

  /** Tells the agent whether the call may be recorded. Throws when it can't be told. */
  async decideRecording(consent) {
    const agent = this.#agent();
    if (!agent) throw new Error('no agent');
    await this.#room.localParticipant.performRpc({
      destinationIdentity: agent.identity,
      method: 'pg.recordingConsent',
      payload: JSON.stringify({ consent }),
    });
  }

  close() {
    this.#open = false;
    this.#microphone?.stop();
    this.#room.disconnect().catch(() => {}); // there is nobody left to tell
  }

  #tell(what, ...details) {
    if (this.#open) this.#on[what](...details);
  }

  #agent() {
    return [...this.#room.remoteParticipants.values()].find((someone) => someone.isAgent) ?? null;
  }

  #listen() {
    const { RoomEvent, DisconnectReason } = this.#livekit;
    const agentOnly = (participant, present) => {
      if (participant.isAgent) this.#tell('agent', present || this.#agent() !== null);
    };
    this.#room
      .on(RoomEvent.ParticipantConnected, (participant) => agentOnly(participant, true))
      .on(RoomEvent.ParticipantDisconnected, (participant) => agentOnly(participant, false))
      .on(RoomEvent.DataReceived, (payload, sender, _kind, topic, _encryption, identity) => {
        if (sender?.isAgent || identity === SERVER) this.#hearData(topic, payload);
      })
      .on(RoomEvent.TrackSubscribed, (track, { trackName }) => this.#play(track, trackName))
      .on(RoomEvent.TrackUnsubscribed, (track) => this.#sounds.get(track)?.remove())
      .on(RoomEvent.ActiveSpeakersChanged, (speakers) =>
        this.#tell('speaking', {
          agent: speakers.some((someone) => someone.isAgent),
          caller: speakers.some((someone) => someone.isLocal),
        }),
      )
      .on(RoomEvent.AudioPlaybackStatusChanged, () =>
        this.#tell('soundBlocked', !this.#room.canPlaybackAudio),
      )
      .on(RoomEvent.SignalReconnecting, () => this.#tell('interrupted', true))
      .on(RoomEvent.Reconnecting, () => this.#tell('interrupted', true))
      .on(RoomEvent.Reconnected, () => this.#tell('interrupted', false))
      .on(RoomEvent.Disconnected, (reason) =>
        this.#tell('closed', DisconnectReason[reason] ?? 'UNKNOWN_REASON'),
      );
  }

  /** The two methods by which an agent, ours or an upstream one, speaks to the page. */
  #answerAgent() {
    this.#room.registerRpcMethod('pg.toast', async ({ callerIdentity, payload }) => {
      this.#refuseStrangers(callerIdentity);
      this.#tell('toast', JSON.parse(payload));
      return JSON.stringify({ shown: true });
    });
    this.#room.registerRpcMethod('pg.error', async ({ callerIdentity, payload }) => {
      this.#refuseStrangers(callerIdentity);
      const message = JSON.parse(payload);
      setTimeout(() => this.#tell('fatal', message), ANSWER_LIMIT_MS);
      return JSON.stringify({ handled: true });
    });
  }

  #refuseStrangers(identity) {
    if (!this.#room.remoteParticipants.get(identity)?.isAgent) {
      throw new this.#livekit.RpcError(1403, 'Only the agent may do this');
    }
  }

  #play(track, name) {
    if (track.kind !== 'audio') return;
    const element = track.attach();
    element.dataset.track = name; // "disclosure" is heard before the clock starts
    this.#sounds.set(track, element);
    this.#tell('voice', element);
  }

  #hearData(topic, payload) {
    const listener = { [TOPIC_METER]: 'meter', [TOPIC_NOTICE]: 'notice' }[topic];
    if (!listener || payload.byteLength > MESSAGE_BYTES_MAX) return;
    let message;
    try {
      message = JSON.parse(new TextDecoder().decode(payload));
    } catch {
      return; // not ours to understand; the next message says the whole state again
    }
    this.#tell(listener, message);
  }
}
