"""
The few sentences the service itself says, by language.

For a language without them the model is asked to say it in that language.
"""

from dataclasses import dataclass

from shared.languages import ENGLISH_NAMES, base_of, of_language


@dataclass(frozen=True, slots=True)
class Phrases:
    """`{seconds}` is replaced by a number."""

    seconds_left: str
    credit_added: str
    goodbye: str
    take_a_break: str = "We have talked for a long time. How about a short break?"
    another_topic: str = "Let us talk about something else."


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
        take_a_break="Wir reden schon lange. Wie wäre es mit einer kleinen Pause?",
        another_topic="Lass uns über etwas anderes reden.",
    ),
    "es": Phrases(
        seconds_left="Te quedan {seconds} segundos.",
        credit_added="Gracias, tu crédito ha llegado. Podemos seguir.",
        goodbye="Se acabó el tiempo. ¡Adiós!",
        take_a_break="Llevamos mucho tiempo hablando. ¿Qué tal una pequeña pausa?",
        another_topic="Hablemos de otra cosa.",
    ),
    "fr": Phrases(
        seconds_left="Il te reste {seconds} secondes.",
        credit_added="Merci, ton crédit est arrivé. On peut continuer.",
        goodbye="Le temps est écoulé. Au revoir !",
        take_a_break="Nous parlons depuis longtemps. Et si on faisait une petite pause ?",
        another_topic="Parlons d'autre chose.",
    ),
    "it": Phrases(
        seconds_left="Ti restano {seconds} secondi.",
        credit_added="Grazie, il credito è arrivato. Possiamo continuare.",
        goodbye="Il tempo è finito. Arrivederci!",
        take_a_break="Parliamo da molto tempo. Che ne dici di una piccola pausa?",
        another_topic="Parliamo d'altro.",
    ),
    "pt": Phrases(
        seconds_left="Restam {seconds} segundos.",
        credit_added="Obrigado, o crédito chegou. Podemos continuar.",
        goodbye="O tempo acabou. Adeus!",
        take_a_break="Já conversamos há muito tempo. Que tal uma pequena pausa?",
        another_topic="Vamos falar de outra coisa.",
    ),
}


def phrases_for(language: str) -> Phrases:
    """English stands in for a language without sentences of its own; see `spoken`."""
    return of_language(_BY_LANGUAGE, language)


def exactly(sentence: str, language: str) -> str:
    """An instruction that makes a model say `sentence`, which is in that language already."""
    name = ENGLISH_NAMES.get(base_of(language), "English")
    return f'Say in {name}: "{sentence}" Say exactly these words and nothing else.'


def spoken(sentence: str, language: str) -> str:
    """An instruction that makes a model say `sentence` and nothing more."""
    if base_of(language) in _BY_LANGUAGE:
        return f'Say: "{sentence}" Say exactly these words and nothing else.'
    return f'Say: "{sentence}" Translate it into the language "{language}" and say nothing else.'
