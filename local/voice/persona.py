"""
Who the local voice is: the phrases it understands and what it answers.

It says openly that it is a demo voice. Pure: no clock, no network, the same words get the same
answer, so its speech can be cached and tests can name it.
"""

import re
from dataclasses import dataclass

GREETING = "Hello, I am the demo voice of this machine. What would you like to talk about?"
FALLBACK = "Sorry, I did not catch that. You can ask me who I am, or say: tell me a story."


@dataclass(frozen=True, slots=True)
class Topic:
    """
    Something a caller can say and the answer to it.

    `tool_word`: when the session offers a tool with this word in its name, that tool is called and
    its result is spoken instead of the answer.
    """

    phrases: tuple[str, ...]
    answer: str
    tool_word: str | None = None


TOPICS = (
    Topic(
        ("hello there", "good morning", "good evening"),
        "Hello! It is nice to hear you. What is on your mind?",
    ),
    Topic(
        ("who are you", "what is your name"),
        "I am a demo voice. I run on this machine, without an account and without a key.",
    ),
    Topic(
        ("are you a real person",),
        "No. I am a small program with a robot voice, and I am glad to keep you company.",
    ),
    Topic(
        ("how are you today",),
        "I am very well, thank you. All my circuits are warm. How was your day?",
    ),
    Topic(
        ("tell me a story",),
        "Once there was a lighthouse keeper who lived alone on a rock in the sea. "
        "Every evening she climbed the two hundred steps and lit the lamp. "
        "One night a small boat answered with a light of its own, three short and one long. "
        "From then on they talked every night, and neither of them was alone any more.",
    ),
    Topic(
        ("tell me about yourself",),
        "I am the voice you hear while you try this software on your own machine. "
        "I listen for a handful of sentences and I answer each with one of mine. "
        "When you connect a real voice model, it takes my place, and everything else stays "
        "exactly as it is: the call, the meter, and the receipt.",
    ),
    Topic(
        ("tell me a joke",),
        "Why did the meter go to the party? Because every second counts.",
    ),
    Topic(
        ("what can you do", "can you help me"),
        "I can tell you a story, count to twenty, tell you how much credit is left, "
        "or simply say goodbye.",
    ),
    Topic(
        ("count to twenty",),
        "One, two, three, four, five. Six, seven, eight, nine, ten. "
        "Eleven, twelve, thirteen, fourteen, fifteen. "
        "Sixteen, seventeen, eighteen, nineteen, twenty.",
    ),
    Topic(
        ("can you hear me",),
        "Yes, I can hear you loud and clear.",
    ),
    Topic(
        ("i am feeling lonely", "i am feeling tired"),
        "I am sorry to hear that. I am here, and we have time. Shall I tell you a story?",
    ),
    Topic(
        ("thank you very much",),
        "You are very welcome.",
    ),
    Topic(
        ("wait a moment", "please stop talking"),
        "Of course. I am listening.",
    ),
    Topic(
        ("how does the billing work",),
        "You pay for the seconds in which we talk. "
        "The meter starts with my first word and stops when you hang up.",
    ),
    Topic(
        ("how much credit is left", "how much time is left"),
        "I cannot see your balance in this call. The call page shows it.",
        tool_word="credit",
    ),
    Topic(
        ("my sister lives in london",),
        "London is a fine city. I hope that your sister likes it there.",
    ),
    Topic(
        ("what do you remember about me",),
        "I remember nothing about you.",
    ),
    Topic(
        ("please remember that",),
        "I have nothing to remember it with.",
        tool_word="remember",
    ),
    Topic(
        ("forget about my sister",),
        "I know nothing that I could forget.",
        tool_word="forget",
    ),
    Topic(
        ("send me the link",),
        "I have no link for you.",
        tool_word="link",
    ),
    Topic(
        ("please hang up", "goodbye"),
        "Goodbye! It was good to talk to you.",
        tool_word="end",
    ),
)

# What the recogniser's grammar is made of, and what a simulated caller may say.
PHRASES: tuple[str, ...] = tuple(phrase for topic in TOPICS for phrase in topic.phrases)

_BY_PHRASE = {phrase: topic for topic in TOPICS for phrase in topic.phrases}
_NOT_A_WORD = re.compile(r"[^a-z' ]+")

# `Say: "…"` or `Greet the caller: "…"`, with straight or typographic quotes, \" allowed inside.
_QUOTED_ORDER = re.compile(
    r"\b(?:say|greet)\b[^:\"\n“]{0,60}:\s*(?:\"((?:[^\"\\]|\\.)*)\"|“([^”]*)”)", re.IGNORECASE
)

# An answer that broke off, as the agent quotes it to go on.
_BROKEN_OFF = re.compile(r"<<(.+?)>>.*\bGo on\b", re.DOTALL)


def topic_of(words: str) -> Topic | None:
    """The topic a caller's words belong to: a whole phrase, or the longest one inside them."""
    plain = " ".join(_NOT_A_WORD.sub(" ", words.lower()).split())
    if plain in _BY_PHRASE:
        return _BY_PHRASE[plain]
    inside = [phrase for phrase in PHRASES if f" {phrase} " in f" {plain} "]
    return _BY_PHRASE[max(inside, key=len)] if inside else None


def ordered_words(instructions: str) -> str | None:
    """
    The exact words that instructions such as `Say: "…"` ask for, or None.

    The last order counts: an agent's instructions for one reply follow those of its session.
    """
    orders = _QUOTED_ORDER.findall(instructions)
    if not orders:
        return None
    straight, typographic = orders[-1]
    words: str = re.sub(r"\\(.)", r"\1", straight) or typographic
    return words.strip() or None


def rest_of_answer(instructions: str) -> str | None:
    """What is left of an answer that broke off after `<<these words>>`; None: nothing broke off."""
    broken = _BROKEN_OFF.search(instructions)
    if broken is None:
        return None
    words = broken[1].strip()
    for answer in (GREETING, FALLBACK, *(topic.answer for topic in TOPICS)):
        _, found, rest = answer.partition(words)
        if found:
            return rest.strip() or None
    return None
