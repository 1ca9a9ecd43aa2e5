"""Letters in six languages: right sums, one recipient, nothing that came from elsewhere."""

import re
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from control_plane.mail.facts import NEEDED, BadNotice, facts_of
from control_plane.mail.letters import LANGUAGES, TEMPLATES, Occasion, compose, is_mailbox
from control_plane.mail.settings import MailSettings

NOTICE = UUID("0199a000-0000-7000-8000-000000000001")
PAYLOADS: dict[str, dict[str, object]] = {
    "receipt": {"amount": 123450, "currency": "usd", "credits": 25_000_000_000},
    "low_balance": {"available": 1_999_999_999, "threshold": 2_000_000_000},
    "payment_failed": {"amount": 500, "currency": "jpy", "failure": "card_declined"},
    "dispute": {"amount": 1000, "currency": "eur"},
}


def occasion(
    kind: str = "receipt",
    *,
    language: str | None = "en",
    address: str = "somebody@example.test",
    **payload: Any,
) -> Occasion:
    return Occasion(
        id=NOTICE,
        kind=kind,
        payload={**PAYLOADS.get(kind, {}), **payload},
        created_at=datetime(2026, 11, 21, 12, tzinfo=UTC),
        address=address,
        language=language,
    )


def text_of(what: Occasion) -> str:
    part = compose(what, mail_from="Sexycall <till@shop.test>").get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def html_of(what: Occasion) -> str:
    part = compose(what, mail_from="till@shop.test").get_body(("html",))
    assert part is not None
    return str(part.get_content())


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", PAYLOADS)
def test_every_letter_exists_in_every_language(kind: str, language: str) -> None:
    letter = compose(occasion(kind, language=language), mail_from="Sexycall <till@shop.test>")
    assert re.fullmatch(r"[^{\n]{5,}", letter["Subject"])
    assert letter["Content-Language"] == language
    for text in (text_of(occasion(kind, language=language)), html_of(occasion(kind))):
        assert len(text) > 150
        assert not re.search(r"[{}]|None|Undefined", text)
    assert f'lang="{language}"' in html_of(occasion(kind, language=language))


def test_every_kind_has_its_templates_and_no_more() -> None:
    assert NEEDED.keys() == PAYLOADS.keys()
    found = {path.relative_to(TEMPLATES).as_posix() for path in TEMPLATES.rglob("*.txt")}
    assert found == {f"{language}/{kind}.txt" for language in LANGUAGES for kind in NEEDED}


@pytest.mark.parametrize("language", ["ja", "xx", "", None, "../en", "de/../en"])
def test_who_speaks_another_language_is_written_to_in_english(language: str | None) -> None:
    letter = compose(occasion(language=language), mail_from="till@shop.test")
    assert letter["Content-Language"] == "en"
    assert letter["Subject"] == "Your payment of 1,234.50\u00a0USD"


@pytest.mark.parametrize(
    ("language", "amount", "currency", "money"),
    [
        ("en", 123450, "usd", "1,234.50\u00a0USD"),
        ("de", 123450, "eur", "1.234,50\u00a0EUR"),
        ("fr", 123450, "eur", "1\u202f234,50\u00a0EUR"),
        ("en", 500, "jpy", "500\u00a0JPY"),
        ("en", 1_234_567, "JPY", "1,234,567\u00a0JPY"),
        ("pl", 5, "pln", "0,05\u00a0PLN"),
        ("en", 1_500, "kwd", "1.500\u00a0KWD"),
        ("en", 0, "usd", "0.00\u00a0USD"),
    ],
)
def test_money_is_written_as_the_currency_counts(
    language: str, amount: int, currency: str, money: str
) -> None:
    payload = {"amount": amount, "currency": currency}
    assert facts_of("receipt", payload, language)["money"] == money


def test_a_balance_is_rounded_down() -> None:
    assert "1,999 credits left" in text_of(occasion("low_balance"))


def test_who_must_confirm_a_payment_is_told_so() -> None:
    confirm = text_of(occasion("payment_failed", failure="authentication_required"))
    assert "Your bank wants you to confirm" in confirm
    assert "confirm" not in text_of(occasion("payment_failed"))


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        ("receipt", {"amount": None}),
        ("receipt", {"amount": 1.5}),
        ("receipt", {"amount": True}),
        ("receipt", {"currency": "us\r\nBcc: x@y.test"}),
        ("receipt", {"currency": "<b>"}),
        ("low_balance", {"available": "a lot"}),
        ("surprise", {}),
        ("../en/receipt", {}),
    ],
)
def test_a_notice_that_says_nothing_true_is_no_letter(kind: str, payload: dict[str, Any]) -> None:
    with pytest.raises(BadNotice):
        compose(occasion(kind, **payload), mail_from="till@shop.test")


SECRET = "sk_live_0123456789"


@pytest.mark.parametrize(
    "value",
    [SECRET, "<script>alert(1)</script>", "{{ 7 * 7 }}", "x\r\nBcc: victim@example.test"],
)
def test_nothing_else_of_a_payload_gets_into_a_letter(value: str) -> None:
    names = "prompt token email name url reason failure credits available html".split()
    payload: dict[str, Any] = dict.fromkeys(names, value)
    letter = compose(occasion("payment_failed", **payload), mail_from="till@shop.test")
    raw = letter.as_bytes().decode()
    for word in (SECRET, "script", "victim", "Bcc", "7 * 7"):
        assert word not in raw
    assert letter.get_all("To") == ["somebody@example.test"]


@pytest.mark.parametrize(
    "address",
    [
        "a@b.test\r\nBcc: c@d.test",
        "a@b.test\nBcc: c@d.test",
        "a@b.test, c@d.test",
        "a@b.test;c@d.test",
        "Name <a@b.test>",
        "<a@b.test>",
        '"a b"@b.test',
        "@relay.test:a@b.test",
        "group:a@b.test;",
        "a@b@c.test",
        "a@b.test (comment)",
        "a\x00@b.test",
        "a\u2028@b.test",
        "@b.test",
        "jörg@b.test",
        "a..b@b.test",
        ".a@b.test",
        "a@",
        "",
        "x" * 65 + "@b.test",
        "a@" + "b" * 260,
    ],
)
def test_what_is_not_one_mailbox_gets_no_letter(address: str) -> None:
    assert not is_mailbox(address)
    with pytest.raises(ValueError, match="mailbox"):
        compose(occasion(address=address), mail_from="till@shop.test")


@pytest.mark.parametrize("address", ["a@b.test", "o'neil+tag@sub.b.test", "x@xn--bcher-kva.test"])
def test_usual_mailboxes_are_written_to(address: str) -> None:
    letter = compose(occasion(address=address), mail_from="till@shop.test")
    assert letter["To"] == address


@given(st.one_of(st.text(max_size=60), st.text("ab.'+=@,<>\\\r\n\" ", max_size=9)))
def test_whatever_is_taken_for_a_mailbox_stands_alone_in_its_header(text: str) -> None:
    address = f"{text}@b.test"
    if is_mailbox(address):
        letter = compose(occasion(address=address), mail_from="till@shop.test")
        assert letter["To"].addresses[0].addr_spec == address
        assert len(letter["To"].addresses) == 1
        assert set(letter.keys()) == {
            *"From To Subject Date Message-ID Content-Language Auto-Submitted".split(),
            *"MIME-Version Content-Type".split(),
        }


def test_the_same_occasion_has_the_same_message_id_and_date() -> None:
    one, two = (compose(occasion(), mail_from="Till <till@shop.test>") for _ in range(2))
    assert one["Message-ID"] == two["Message-ID"] == f"<{NOTICE}@shop.test>"
    assert one["Date"] == two["Date"]


def settings(**values: object) -> MailSettings:
    return MailSettings.model_validate({"mail_url": None, "mail_from": None, **values})


@pytest.mark.parametrize(
    ("url", "sender"),
    [
        ("http://mail.test", "a@b.test"),
        ("smtp://", "a@b.test"),
        ("smtp://mail.test", None),
        ("smtp://mail.test", "nobody"),
        ("smtp://mail.test", "a@b.test\r\nBcc: c@d.test"),
        ("file://relative", "a@b.test"),
        ("file://", "a@b.test"),
    ],
)
def test_settings_that_cannot_work_are_refused(url: str, sender: str | None) -> None:
    with pytest.raises(ValidationError) as refused:
        settings(mail_url=url, mail_from=sender)
    assert "mail.test" not in str(refused.value)


def test_without_an_address_of_a_server_there_is_no_mail() -> None:
    assert settings().mail_url is None
