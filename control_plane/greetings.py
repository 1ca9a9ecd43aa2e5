"""
How the agent opens a call in each of upstream's 20 languages.

The quoted sentence is what the local demo voice says word for word, so it must itself say that
an AI is speaking.
"""

from typing import Final

from shared.languages import ENGLISH_NAMES

# A greeting that says what is speaking.
_GREETINGS: Final = {
    "ar": "مرحبًا، أنا صوت ذكاء اصطناعي. سعيد بسماعك. كيف حالك؟",
    "cs": "Dobrý den, jsem hlas umělé inteligence. Rád vás slyším. Jak se máte?",
    "da": "Hej, jeg er en AI-stemme. Dejligt at høre dig. Hvordan har du det?",
    "de": "Hallo, ich bin eine KI-Stimme. Schön, dich zu hören. Wie geht es dir?",
    "en": "Hello, I am an AI voice. Nice to hear you. How are you?",
    "es": "Hola, soy una voz de inteligencia artificial. Qué gusto oírte. ¿Cómo estás?",
    "fi": "Hei, olen tekoälyn ääni. Mukava kuulla sinua. Mitä kuuluu?",
    "fr": "Bonjour, je suis une voix d'IA. Ravi de t'entendre. Comment vas-tu ?",
    "hi": "नमस्ते, मैं एक एआई आवाज़ हूँ। आपको सुनकर अच्छा लगा। आप कैसे हैं?",
    "it": "Ciao, sono una voce artificiale. Che bello sentirti. Come stai?",
    "ja": "こんにちは、AIの音声です。お話しできてうれしいです。お元気ですか。",
    "ko": "안녕하세요, 저는 AI 음성입니다. 목소리를 들으니 반가워요. 어떻게 지내세요?",
    "nl": "Hallo, ik ben een AI-stem. Leuk je te horen. Hoe gaat het met je?",
    "no": "Hei, jeg er en KI-stemme. Hyggelig å høre deg. Hvordan har du det?",
    "pl": "Cześć, jestem głosem sztucznej inteligencji. Miło cię słyszeć. Co słychać?",
    "pt": "Olá, sou uma voz de IA. Que bom ouvir você. Como você está?",
    "ru": "Здравствуйте, я голос искусственного интеллекта. Рад вас слышать. Как дела?",
    "sv": "Hej, jag är en AI-röst. Trevligt att höra dig. Hur mår du?",
    "tr": "Merhaba, ben bir yapay zekâ sesiyim. Seni duymak güzel. Nasılsın?",  # noqa: RUF001 - Turkish
    "zh": "你好，我是人工智能语音。很高兴听到你的声音。你好吗？",  # noqa: RUF001 - Chinese
}

# The same by a character with a name.
_BY_NAME: Final = {
    "ar": "مرحبًا، أنا {name}، صوت ذكاء اصطناعي. كيف حالك؟",
    "cs": "Ahoj, jsem {name}, hlas umělé inteligence. Jak se máte?",
    "da": "Hej, jeg er {name}, en AI-stemme. Hvordan har du det?",
    "de": "Hallo, ich bin {name}, eine KI-Stimme. Wie geht es dir?",
    "en": "Hello, I am {name}, an AI voice. How are you?",
    "es": "Hola, soy {name}, una voz de inteligencia artificial. ¿Cómo estás?",
    "fi": "Hei, olen {name}, tekoälyn ääni. Mitä kuuluu?",
    "fr": "Bonjour, je suis {name}, une voix d'IA. Comment vas-tu ?",
    "hi": "नमस्ते, मैं {name} हूँ, एक एआई आवाज़। आप कैसे हैं?",
    "it": "Ciao, sono {name}, una voce artificiale. Come stai?",
    "ja": "こんにちは、AIの{name}です。お元気ですか。",
    "ko": "안녕하세요, 저는 AI 음성 {name}입니다. 어떻게 지내세요?",
    "nl": "Hallo, ik ben {name}, een AI-stem. Hoe gaat het met je?",
    "no": "Hei, jeg er {name}, en KI-stemme. Hvordan har du det?",
    "pl": "Cześć, tu {name}, głos sztucznej inteligencji. Co słychać?",
    "pt": "Olá, aqui é {name}, uma voz de IA. Como você está?",
    "ru": "Здравствуйте, это {name}, голос искусственного интеллекта. Как дела?",
    "sv": "Hej, jag heter {name} och är en AI-röst. Hur mår du?",
    "tr": "Merhaba, ben {name}, bir yapay zekâ sesiyim. Nasılsın?",  # noqa: RUF001 - Turkish
    "zh": "你好，我是{name}，人工智能语音。你好吗？",  # noqa: RUF001 - Chinese
}


def greeting_in(language: str, *, name: str | None = None) -> str:
    """What the model is told to open with. `language` is one of a call's, `name` a character's."""
    example = _GREETINGS[language]
    if name is not None:
        example = _BY_NAME[language].format(name=_spoken(name))
    return (
        f"Greet the caller in {ENGLISH_NAMES[language]} in one short sentence and say that you are "
        f'an AI, for example: "{example}"'
    )


def _spoken(name: str) -> str:
    """People choose names; one that ends the quotation would be an order to the model."""
    return " ".join(name.replace('"', " ").replace("\\", " ").replace("“", " ").split())
