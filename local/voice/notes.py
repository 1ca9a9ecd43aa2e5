"""
The script's notes after a call, what the caller said word for word, and what it reads of old ones.

It understands nothing. A sentence of the caller with "my ..." in it is a fact, and the first one is
the title. Pure.
"""

import json
import re

from agent.instructions import BEGIN, END
from control_plane.after_calls.questions import OPENING
from local.voice.mind import Prompt

_MINE = re.compile(r"\bmy (\w+)", re.IGNORECASE)
HIGHLIGHTS_MAX = 3


def notes_for(prompt: Prompt) -> str | None:
    """A JSON object; None when something else was asked."""
    if not prompt.instructions.startswith(OPENING) or not prompt.lines:
        return None
    try:
        data = json.loads(prompt.lines[-1].text)
    except ValueError:
        return None
    said = [turn["text"] for turn in data.get("conversation", []) if turn["role"] == "caller"]
    facts = {found[1].lower(): text for text in said if (found := _MINE.search(text))}
    notes = {
        "title": f"You said: {said[0]}" if said else None,
        "highlights": list(dict.fromkeys(said))[:HIGHLIGHTS_MAX],
        "memories": [
            {"type": slot, "content": f"The caller said: {text}"} for slot, text in facts.items()
        ],
        "analysis": {"topic_category": "demo", "engagement_level": "medium"},
    }
    return json.dumps(notes, ensure_ascii=False)


def remembered_in(instructions: str) -> str | None:
    """The memories quoted in the instructions of a call, as a sentence."""
    _, begun, rest = instructions.partition(f"\n{BEGIN}\n")
    data, ended, _ = rest.partition(f"\n{END}")
    if not (begun and ended):
        return None
    try:
        memories = [str(json.loads(line)) for line in data.splitlines()]
    except ValueError:
        return None
    return "I remember this. " + " ".join(memory.rstrip(".") + "." for memory in memories)
