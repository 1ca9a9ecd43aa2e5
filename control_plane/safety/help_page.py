"""
The page for people in a crisis: whom to call, and what this service does when it notices.

No script, no log-in, nothing from elsewhere; it must be readable when all else is broken.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final

from control_plane.safety.referrals import COUNTRY_NAMES, LINES, emergency_in

RIGHT_TO_LEFT: Final = frozenset({"ar"})

_WORDS: Final[dict[str, dict[str, str]]] = json.loads(
    Path(__file__).with_name("help_words.json").read_text(encoding="utf-8")
)

_PAGE: Final = """<!doctype html>
<html lang="{language}" dir="{direction}">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <title>{title}</title>
    <link rel="icon" href="/assets/icon.svg" type="image/svg+xml">
    <link rel="stylesheet" href="/assets/page.css">
    <link rel="stylesheet" href="/assets/help.css">
  </head>
  <body>
    <main class="card help">
      <header class="top"><p class="brand" dir="ltr">sexy<span>call</span></p></header>
      <h1>{title}</h1>
      <p class="problem">{danger}</p>
      <p class="referral">{referral}</p>
      <section aria-labelledby="lines">
        <h2 id="lines">{lines}</h2>
        <dl>{numbers}</dl>
      </section>
      <section aria-labelledby="service">
        <h2 id="service">{service}</h2>
        <p>{disclosure}</p>
        <p>{does}</p>
        <p>{knows}</p>
      </section>
      <p><a href="/">{back}</a></p>
      <nav aria-label="{languages}">{links}</nav>
    </main>
  </body>
</html>
"""


@dataclass(frozen=True, slots=True)
class HelpFacts:
    """`referral` and `disclosure` are the operator's words in `language`, or ours."""

    language: str
    country: str | None
    referral: str
    disclosure: str


def help_page(facts: HelpFacts) -> str:
    """HTML; the line of the chosen country stands first."""
    words = _WORDS[facts.language]
    shown = {name: escape(text) for name, text in words.items()}
    shown["danger"] = shown["danger"].format(emergency=escape(emergency_in(facts.language)))
    return _PAGE.format(
        **shown,
        language=facts.language,
        direction="rtl" if facts.language in RIGHT_TO_LEFT else "ltr",
        referral=escape(facts.referral),
        disclosure=escape(facts.disclosure),
        numbers="".join(_numbers(facts.country)),
        links="\n".join(_links(facts.language, facts.country)),
    )


def _numbers(country: str | None) -> Iterator[str]:
    for code in sorted(LINES, key=lambda code: (code != country, COUNTRY_NAMES[code])):
        mark = ' class="chosen"' if code == country else ""
        dialled = "".join(filter(str.isdigit, LINES[code]))
        yield (
            f'<div{mark}><dt dir="ltr">{escape(COUNTRY_NAMES[code])}</dt>'
            f'<dd dir="ltr"><a href="tel:{dialled}">{escape(LINES[code])}</a></dd></div>\n'
        )


def _links(language: str, country: str | None) -> Iterator[str]:
    there = f"&amp;country={country}" if country else ""
    for code, words in sorted(_WORDS.items()):
        here = ' aria-current="page"' if code == language else ""
        yield (
            f'<a href="/help?language={code}{there}" lang="{code}" hreflang="{code}"{here}>'
            f"{escape(words['name'])}</a>"
        )
