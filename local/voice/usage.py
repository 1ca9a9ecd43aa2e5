"""Token counts as a provider would report them. Estimates: nothing here is billed by tokens."""

from local.voice.mind import Prompt
from local.voice.protocol import Event, Item

CHARS_PER_TOKEN = 4
HEARD_MS_PER_TOKEN = 100  # what OpenAI counts for a caller's audio
SPOKEN_MS_PER_TOKEN = 50  # and for the model's


def text_tokens(text: str) -> int:
    """Tokens of a text; 0 only for none."""
    return -(-len(text) // CHARS_PER_TOKEN)


def prompt_tokens(prompt: Prompt) -> int:
    said = [prompt.instructions, prompt.order, *(line.text for line in prompt.lines)]
    return sum(text_tokens(text) for text in said)


def response_usage(prompt: Prompt, output: list[Item], *, heard_ms: int, spoken_ms: int) -> Event:
    """The `usage` of a `response.done`."""
    text_in, audio_in = prompt_tokens(prompt), heard_ms // HEARD_MS_PER_TOKEN
    text_out = sum(text_tokens(_words_in(item)) for item in output)
    audio_out = spoken_ms // SPOKEN_MS_PER_TOKEN
    return {
        "total_tokens": text_in + audio_in + text_out + audio_out,
        "input_tokens": text_in + audio_in,
        "output_tokens": text_out + audio_out,
        "input_token_details": {
            "text_tokens": text_in,
            "audio_tokens": audio_in,
            "image_tokens": 0,
            "cached_tokens": 0,
            "cached_tokens_details": {"text_tokens": 0, "audio_tokens": 0, "image_tokens": 0},
        },
        "output_token_details": {"text_tokens": text_out, "audio_tokens": audio_out},
    }


def _words_in(item: Item) -> str:
    if item["type"] == "function_call":
        return str(item["name"]) + str(item["arguments"])
    return "".join(str(p.get("transcript") or p.get("text") or "") for p in item["content"])
