"""What the caller is told while the voice model is away, and what it says when it is back."""

from dataclasses import dataclass

from shared.languages import of_language


@dataclass(frozen=True, slots=True)
class Absence:
    """`away` is the service's to show and to speak, `back` the model's to say."""

    away: str
    back: str


_BY_LANGUAGE = {
    "ar": Absence("انقطع صوتي لحظة. هذا الوقت مجاني.", "عذرًا، انقطعت لحظة."),
    "cs": Absence(
        "Hlas na chvíli vypadl. Tento čas nic nestojí.", "Promiňte, na chvíli jsem vypadl."
    ),
    "da": Absence(
        "Stemmen er væk et øjeblik. Tiden er gratis.", "Undskyld, jeg var væk et øjeblik."
    ),
    "de": Absence(
        "Die Stimme ist kurz weg. Diese Zeit kostet nichts.", "Entschuldige, ich war kurz weg."
    ),
    "en": Absence(
        "The voice is gone for a moment. This time is free.", "Sorry, I was gone for a moment."
    ),
    "es": Absence(
        "La voz se ha ido un momento. Este tiempo es gratis.", "Perdona, me fui un momento."
    ),
    "fi": Absence("Ääni katosi hetkeksi. Tämä aika on ilmaista.", "Anteeksi, olin hetken poissa."),
    "fr": Absence(
        "La voix a disparu un instant. Ce temps est gratuit.",
        "Pardon, j'ai disparu un instant.",
    ),
    "hi": Absence(
        "आवाज़ कुछ पल के लिए चली गई है। यह समय मुफ़्त है।", "माफ़ कीजिए, मैं कुछ पल के लिए चली गई थी।"
    ),
    "it": Absence(
        "La voce è sparita per un momento. Questo tempo è gratis.",
        "Scusa, ero sparito un momento.",
    ),
    "ja": Absence(
        "音声が一時的に途切れています。この時間は無料です。", "すみません、少し途切れていました。"
    ),
    "ko": Absence("음성이 잠시 끊겼습니다. 이 시간은 무료입니다.", "죄송해요, 잠시 끊겼어요."),
    "nl": Absence("De stem is even weg. Deze tijd is gratis.", "Sorry, ik was even weg."),
    "no": Absence(
        "Stemmen er borte et øyeblikk. Tiden er gratis.", "Beklager, jeg var borte litt."
    ),
    "pl": Absence(
        "Głos zniknął na chwilę. Ten czas jest darmowy.", "Przepraszam, na chwilę mnie nie było."
    ),
    "pt": Absence(
        "A voz sumiu por um momento. Este tempo é grátis.", "Desculpe, sumi por um momento."
    ),
    "ru": Absence(
        "Голос ненадолго пропал. Это время бесплатно.", "Извините, связь ненадолго пропала."
    ),
    "sv": Absence(
        "Rösten är borta en stund. Den här tiden är gratis.", "Förlåt, jag var borta en stund."
    ),
    "tr": Absence("Ses bir an kesildi. Bu süre ücretsiz.", "Üzgünüm, bir an kesildim."),
    "zh": Absence("声音暂时中断了。这段时间免费。", "抱歉，刚才断了一下。"),  # noqa: RUF001 - Chinese
}


def absence_in(language: str) -> Absence:
    """English stands in for a language without words of its own."""
    return of_language(_BY_LANGUAGE, language)


def apology(language: str) -> str:
    """An instruction that makes the model say that it was away, and nothing more."""
    return f'Say: "{absence_in(language).back}" Say exactly these words and nothing else.'
