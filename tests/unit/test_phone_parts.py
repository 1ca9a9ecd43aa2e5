"""The small parts of the phone: numbers, PINs, what is redacted."""

import pytest
from pydantic import SecretStr

from control_plane.phone import pin
from control_plane.phone.numbers import e164, language_of
from control_plane.phone.outbound import missing_for_outbound
from control_plane.phone.redaction import without_numbers
from control_plane.phone.settings import PhoneSettings
from shared.phone_protocol import EnterDigits

SECRET = SecretStr("a secret of thirty-two characters")


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("+4930123456", "+4930123456"),
        ("004930123456", "+4930123456"),
        ("4930123456", "+4930123456"),
        ("+49 (30) 123-456", "+4930123456"),
        ("030123456", None),  # national: of which country?
        ("anonymous", None),
        ("", None),
        ("+٤٩٣٠١٢٣٤٥٦", None),
        ("+1", None),
    ],
)
def test_numbers_are_read_as_trunks_write_them(written: str, number: str | None) -> None:
    assert e164(written) == number


@pytest.mark.parametrize(
    ("number", "language"),
    [
        ("+4930123456", "de"),
        ("+15550100", "en"),
        ("+420123456789", "cs"),
        ("+442071234567", "en"),
        ("+447700900123", "en"),
        ("+85212345678", "zh"),
        ("+79991234567", "ru"),
        (None, "en"),
    ],
)
def test_strangers_are_spoken_to_in_the_language_of_their_country(
    number: str | None, language: str
) -> None:
    assert language_of(number) == language


@pytest.mark.parametrize(
    "weak", ["111111", "123456", "654321", "890123", "12345", "1234567", "12a456"]
)
def test_a_pin_that_is_tried_first_is_refused(weak: str) -> None:
    with pytest.raises(pin.WeakPin):
        pin.check_pin(weak)


def test_a_pin_fits_its_own_hash_and_needs_the_secret() -> None:
    salt = pin.new_salt()
    hash_ = pin.pin_hash("274915", salt=salt, secret=SECRET)
    assert pin.is_pin("274915", salt=salt, hash_=hash_, secret=SECRET)
    assert not pin.is_pin("274916", salt=salt, hash_=hash_, secret=SECRET)
    other = SecretStr("another secret of thirty-two letters")
    assert not pin.is_pin("274915", salt=salt, hash_=hash_, secret=other)


def test_digits_are_in_no_repr() -> None:
    entered = EnterDigits(from_number="+4930123456", to_number="+4930999", digits="274915")
    assert "274915" not in repr(entered)
    assert "4930123456" not in repr(entered)


def test_a_caller_s_number_is_taken_out_of_webhooks_and_nobody_else_s_name() -> None:
    person = {
        "sid": "PA_1",
        "identity": "sip_+4930123456",
        "name": "Phone +4930123456",
        "kind": "SIP",
        "attributes": {"sip.phoneNumber": "+4930123456"},
    }
    kept = without_numbers({"event": "participant_joined", "participant": person})
    assert kept == {
        "event": "participant_joined",
        "participant": {"sid": "PA_1", "kind": "SIP", "identity": "phone"},
    }
    brief = {"event": "track_published", "participant": {"identity": "sip_+4930123456"}}
    assert without_numbers(brief)["participant"] == {"identity": "phone"}
    human = {"participant": {"sid": "PA_2", "identity": "human", "kind": "STANDARD"}}
    assert without_numbers(human) == human
    assert without_numbers({"event": "room_started"}) == {"event": "room_started"}


def test_outbound_names_what_an_operator_has_not_decided() -> None:
    assert missing_for_outbound(PhoneSettings())[0] == "PHONE_OUTBOUND"
    assert missing_for_outbound(PhoneSettings(phone_outbound=True))[0] == "PHONE_OUTBOUND_COUNTRIES"
