"""
The few sentences the service itself says, by language.

For a language without them the model is asked to say it in that language.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Phrases:
    """`{seconds}` is replaced by a number."""

    seconds_left: str
    credit_added: str
    goodbye: str


ENGLISH = Phrases(
    seconds_left="You have {seconds} seconds left.",
    credit_added="Thank you, your credit was added. We can go on.",
    goodbye="Our time is up. Goodbye!",
)
_BY_LANGUAGE = {
    "en": ENGLISH,
    "de": Phrases(
        seconds_left="Du hast noch {seconds} Sekunden.",
        credit_added="Danke, dein Guthaben ist da. Wir können weiterreden.",
        goodbye="Unsere Zeit ist um. Auf Wiederhören!",
    ),
    "es": Phrases(
        seconds_left="Te quedan {seconds} segundos.",
        credit_added="Gracias, tu crédito ha llegado. Podemos seguir.",
        goodbye="Se acabó el tiempo. ¡Adiós!",
    ),
    "fr": Phrases(
        seconds_left="Il te reste {seconds} secondes.",
        credit_added="Merci, ton crédit est arrivé. On peut continuer.",
        goodbye="Le temps est écoulé. Au revoir !",
    ),
    "it": Phrases(
        seconds_left="Ti restano {seconds} secondi.",
        credit_added="Grazie, il credito è arrivato. Possiamo continuare.",
        goodbye="Il tempo è finito. Arrivederci!",
    ),
    "pt": Phrases(
        seconds_left="Restam {seconds} segundos.",
        credit_added="Obrigado, o crédito chegou. Podemos continuar.",
        goodbye="O tempo acabou. Adeus!",
    ),
}


def phrases_for(language: str) -> Phrases:
    """English stands in for a language without sentences of its own; see `spoken`."""
    return _BY_LANGUAGE.get(language.partition("-")[0].lower(), ENGLISH)


def spoken(sentence: str, language: str) -> str:
    """An instruction that makes a model say `sentence` and nothing more."""
    if language.partition("-")[0].lower() in _BY_LANGUAGE:
        return f'Say: "{sentence}" Say exactly these words and nothing else.'
    return f'Say: "{sentence}" Translate it into the language "{language}" and say nothing else.'
