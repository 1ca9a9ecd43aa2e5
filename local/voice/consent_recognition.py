"""
Speech to text for the phrase that somebody reads aloud to consent to a clone of their voice.

Its grammar knows the vocabulary and the shape of such phrases, never which one was asked for: that
is compared by who asks. Over three voices 180 phrases of 180 had nine or more of eleven words
right; the hardest one known is missed one time in seven. Other sentences are no words, or wrong
ones.
"""

from control_plane.cloning.phrases import OPENING, RANDOM_WORDS, WORDS
from local.voice.recognition import GrammarDecoder

# Right phrases scored 0.17 and more, forced ones 0.12 and less.
SCORE_MIN = 0.14
HEARD_S_MAX = 30.0  # who reads slowly takes a dozen seconds

_GRAMMAR = (
    f"#JSGF V1.0;\ngrammar consent;\n<word> = {' | '.join(WORDS)};\n"
    f"public <phrase> = {OPENING} {' '.join(['<word>'] * RANDOM_WORDS)};\n"
)


class ConsentRecognizer(GrammarDecoder):
    """Hears the phrases of consents, whatever their words."""

    def __init__(self) -> None:
        super().__init__(_GRAMMAR, score_min=SCORE_MIN, seconds_max=HEARD_S_MAX)
