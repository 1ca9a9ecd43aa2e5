/**
 * Spoken words as they arrive in a room, by both ways an agent may send them.
 *
 * A segment is `{id, speaker: 'you' | 'agent', text, final, fromStream}` with all its text so far.
 */

const TOPIC = 'lk.transcription';
const SEGMENT_CHARS_MAX = 8_000; // one turn; more is a fault, not speech

export function receiveCaptions(room, RoomEvent, hear) {
  /** null for anybody but the caller and an agent: nobody else is captioned here. */
  const speakerOf = (identity) => {
    if (identity === room.localParticipant.identity) return 'you';
    return room.remoteParticipants.get(identity)?.isAgent ? 'agent' : null;
  };
  const tell = (identity, segment) => {
    const speaker = speakerOf(identity);
    if (speaker) hear({ ...segment, speaker });
  };

  room.registerTextStreamHandler(TOPIC, async (reader, { identity }) => {
    const id = reader.info.attributes?.['lk.segment_id'] || reader.info.id;
    const isFinal = () => reader.info.attributes?.['lk.transcription_final'] === 'true';
    let text = '';
    try {
      for await (const piece of reader) {
        text = (text + piece).slice(0, SEGMENT_CHARS_MAX);
        tell(identity, { id, text, final: false, fromStream: true });
      }
    } catch {
      // the sender went away in the middle of a sentence; what was said stays
    }
    tell(identity, { id, text, final: isFinal(), fromStream: true });
  });

  room.on(RoomEvent.TranscriptionReceived, (segments, participant) => {
    for (const { id, text, final } of segments) {
      const shown = text.slice(0, SEGMENT_CHARS_MAX);
      tell(participant?.identity, { id, text: shown, final, fromStream: false });
    }
  });
}
