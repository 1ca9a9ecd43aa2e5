"""The public page for people in a crisis: always there, in each language, with numbers to press."""

from html.parser import HTMLParser

import pytest

from control_plane.characters import texts
from control_plane.safety.disclosures import DISCLOSURES
from control_plane.safety.referrals import LINES
from shared.db import transaction
from shared.languages import LANGUAGES
from tests.cable import Cable
from tests.web_process import Media, Web, running_web, web_settings

VOID = {"meta", "link", "br"}


class Read(HTMLParser):
    """What a browser makes of the page; `faults` are tags that do not fit together."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.html: dict[str, str | None] = {}
        self.links: list[str] = []
        self.ids: list[str] = []
        self.faults: list[str] = []
        self.scripts = 0
        self.words = ""
        self._open: list[str] = []
        self.feed(page)
        self.close()
        self.faults += self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.html = given if tag == "html" else self.html
        self.scripts += tag == "script"
        self.links += [given["href"] or ""] if tag == "a" else []
        self.ids += [given["id"] or ""] if "id" in given else []
        self._open += [] if tag in VOID else [tag]

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.faults.append(tag)

    def handle_data(self, data: str) -> None:
        self.words += data

    @property
    def numbers(self) -> list[str]:
        return [link.removeprefix("tel:") for link in self.links if link.startswith("tel:")]


async def read(web: Web, query: str = "", **headers: str) -> Read:
    answer = await web.client.get(f"/help{query}", headers=headers)
    assert answer.status_code == 200, answer.text
    return Read(answer.text)


@pytest.mark.parametrize("language", sorted(LANGUAGES))
async def test_it_is_there_in_each_language(web: Web, language: str) -> None:
    page = await read(web, f"?language={language}")
    assert page.html == {"lang": language, "dir": "rtl" if language == "ar" else "ltr"}
    assert (page.faults, page.scripts) == ([], 0)
    assert len(page.ids) == len(set(page.ids))
    assert len(page.numbers) == len(LINES)
    assert DISCLOSURES[language] in page.words
    assert "{" not in page.words
    assert sum(link.startswith("/help?") for link in page.links) == len(LANGUAGES)
    assert "/" in page.links


async def test_it_follows_the_browser_and_is_never_an_error(web: Web) -> None:
    for header, language in (
        ("nb-NO,nb;q=0.9", "no"),
        ("xx, de-AT;q=0.7, en;q=0.5", "de"),
        ("", "en"),
        ("*;;;,,\x7f", "en"),
    ):
        assert (await read(web, **{"Accept-Language": header})).html["lang"] == language
    for query in ("?language=xx", "?language=&country=", "?country=<b>", f"?language={'x' * 999}"):
        assert (await read(web, query)).html["lang"] == "en"


async def test_the_line_of_ones_country_stands_first(web: Web) -> None:
    page = await read(web, "?language=de&country=AT")
    assert page.numbers[0] == "142"
    assert "142" in page.words.split("Österreich")[0]  # in the sentence, too
    assert "/help?language=fr&country=AT" in page.links


async def test_the_operators_country_counts_for_who_names_none(
    db_dsn: str, no_media: Media
) -> None:
    async with running_web(web_settings(db_dsn, no_media, safety_country="CH")) as web:
        assert (await read(web)).numbers[0] == "143"
        assert (await read(web, "?country=FI")).numbers[0] == "0925250111"


async def test_an_operators_words_are_shown_as_words(web: Web) -> None:
    words = "<script>alert(1)</script> & call 5 {line}"
    async with transaction(web.app.state.services.pool) as tx:
        await texts.publish(
            tx, name="referral", variant="fi", body=words, actor="t", reason="a test"
        )
    page = await read(web, "?language=fi")
    assert words in page.words
    assert page.scripts == 0


async def test_it_is_kept_by_browsers_and_by_us(web: Web) -> None:
    first = await web.client.get("/help?language=cs")
    assert first.headers["cache-control"] == "public, max-age=60"
    assert "default-src 'none'" in first.headers["content-security-policy"]
    known = {"If-None-Match": f'"other", {first.headers["etag"]}'}
    again = await web.client.get("/help?language=cs", headers=known)
    assert (again.status_code, again.content) == (304, b"")
    head = await web.client.head("/help?language=cs")
    assert (head.status_code, head.content) == (200, b"")


async def test_it_is_there_while_the_database_is_away(wired: Web, database_cable: Cable) -> None:
    await database_cable.cut()
    page = await read(wired, "?language=sv&country=SE")
    assert page.numbers[0] == "90101"
    assert DISCLOSURES["sv"] in page.words
