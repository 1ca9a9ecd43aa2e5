"""
How the agent opens a call in each of upstream's 20 languages.

The quoted sentence is what the local demo voice says word for word, so it must itself say that
an AI is speaking.
"""

from typing import Final

DEFAULT_LANGUAGE: Final = "en"

# code: (English name for the model, a greeting that says what is speaking)
_GREETINGS: Final = {
    "ar": ("Arabic", "مرحبًا، أنا صوت ذكاء اصطناعي. سعيد بسماعك. كيف حالك؟"),
    "cs": ("Czech", "Dobrý den, jsem hlas umělé inteligence. Rád vás slyším. Jak se máte?"),
    "da": ("Danish", "Hej, jeg er en AI-stemme. Dejligt at høre dig. Hvordan har du det?"),
    "de": ("German", "Hallo, ich bin eine KI-Stimme. Schön, dich zu hören. Wie geht es dir?"),
    "en": ("English", "Hello, I am an AI voice. Nice to hear you. How are you?"),
    "es": (
        "Spanish",
        "Hola, soy una voz de inteligencia artificial. Qué gusto oírte. ¿Cómo estás?",
    ),
    "fi": ("Finnish", "Hei, olen tekoälyn ääni. Mukava kuulla sinua. Mitä kuuluu?"),
    "fr": ("French", "Bonjour, je suis une voix d'IA. Ravi de t'entendre. Comment vas-tu ?"),
    "hi": ("Hindi", "नमस्ते, मैं एक एआई आवाज़ हूँ। आपको सुनकर अच्छा लगा। आप कैसे हैं?"),
    "it": ("Italian", "Ciao, sono una voce artificiale. Che bello sentirti. Come stai?"),
    "ja": ("Japanese", "こんにちは、AIの音声です。お話しできてうれしいです。お元気ですか。"),
    "ko": ("Korean", "안녕하세요, 저는 AI 음성입니다. 목소리를 들으니 반가워요. 어떻게 지내세요?"),
    "nl": ("Dutch", "Hallo, ik ben een AI-stem. Leuk je te horen. Hoe gaat het met je?"),
    "no": ("Norwegian", "Hei, jeg er en KI-stemme. Hyggelig å høre deg. Hvordan har du det?"),
    "pl": ("Polish", "Cześć, jestem głosem sztucznej inteligencji. Miło cię słyszeć. Co słychać?"),
    "pt": ("Portuguese", "Olá, sou uma voz de IA. Que bom ouvir você. Como você está?"),
    "ru": (
        "Russian",
        "Здравствуйте, я голос искусственного интеллекта. Рад вас слышать. Как дела?",
    ),
    "sv": ("Swedish", "Hej, jag är en AI-röst. Trevligt att höra dig. Hur mår du?"),
    "tr": ("Turkish", "Merhaba, ben bir yapay zekâ sesiyim. Seni duymak güzel. Nasılsın?"),  # noqa: RUF001 - Turkish
    "zh": ("Chinese", "你好，我是人工智能语音。很高兴听到你的声音。你好吗？"),  # noqa: RUF001 - Chinese
}

LANGUAGES: Final = frozenset(_GREETINGS)


def greeting_in(language: str) -> str:
    """What the model is told to open with. `language` is one of LANGUAGES."""
    name, example = _GREETINGS[language]
    return (
        f"Greet the caller in {name} in one short sentence and say that you are an AI, "
        f'for example: "{example}"'
    )
