"""The pages that buyers come back to: no script, no inline style, nothing from elsewhere."""

from html import escape
from typing import Final

from starlette.responses import HTMLResponse

HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}

_PAGE: Final = """<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <title>{title}</title>
    <link rel="icon" href="/assets/icon.svg" type="image/svg+xml">
    <link rel="stylesheet" href="/assets/page.css">
    <link rel="stylesheet" href="/assets/shop.css">
  </head>
  <body>
    <main class="card">
      <header class="top"><p class="brand">sexy<span>call</span></p></header>
      <h1>{title}</h1>
      <p>{words}</p>
      <a class="button" href="/">Back to the call page</a>
    </main>
  </body>
</html>
"""


def return_page(title: str, words: str) -> HTMLResponse:
    """Plain text in, a page out."""
    return HTMLResponse(_PAGE.format(title=escape(title), words=escape(words)), headers=HEADERS)
