"""The second document of livekit.yaml: what an operator may write, and what is refused."""

from pathlib import Path

import pytest

from control_plane.phone.trunk_file import (
    CONFIG,
    FILE_BYTES_MAX,
    TrunkFileRefused,
    parse_trunk_file,
    read_trunk_file,
)

GOOD = {"PHONE_NUMBERS": "+4930999", "PHONE_ALLOWED_ADDRESSES": "192.0.2.0/24"}


def test_the_committed_file_is_read() -> None:
    file = read_trunk_file({**GOOD, "PHONE_NUMBERS": "+49301112, +49301113"})
    assert file.trunk.numbers == ["+49301112", "+49301113"]
    assert file.trunk.allowed_addresses == ["192.0.2.0/24"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"PHONE_NUMBERS": ""}, "no numbers"),
        ({"PHONE_NUMBERS": "030999"}, "phone.trunk.numbers"),
        ({"PHONE_ALLOWED_ADDRESSES": ""}, "anybody could call in"),
        ({"PHONE_TRUNK_USER": "u"}, "a user and a password"),
    ],
)
def test_a_trunk_that_is_open_or_empty_is_refused(changes: dict[str, str], words: str) -> None:
    with pytest.raises(TrunkFileRefused, match=words):
        read_trunk_file({**GOOD, **changes})


def test_the_file_knows_no_outbound_trunk() -> None:
    text = CONFIG.read_text().replace("  rule:", "  outbound: {numbers: []}\n  rule:")
    with pytest.raises(TrunkFileRefused, match=r"phone\.outbound: Extra inputs are not permitted"):
        parse_trunk_file(text, GOOD)


def test_a_password_may_hold_anything_and_is_shown_by_nothing() -> None:
    hard = 'a"\nb: [secret99'
    file = read_trunk_file({**GOOD, "PHONE_TRUNK_USER": "u", "PHONE_TRUNK_PASSWORD": hard})
    assert file.trunk.auth_password == hard
    assert "secret99" not in repr(file)
    with pytest.raises(TrunkFileRefused) as refused:
        read_trunk_file({**GOOD, "PHONE_NUMBERS": "secret99"})
    assert "secret99" not in str(refused.value)


def with_document(phone: str) -> str:
    return f"port: 7880\n---\n{phone}"


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("port: 7880\n", "no second document"),
        (with_document(""), "no section `phone:`"),
        (with_document("telephone: {}"), "no section `phone:`"),
        (with_document("- phone"), "no section `phone:`"),
        (with_document("phone: 5"), "no section `phone:`"),
        (with_document("phone: {trunk: ["), "cannot be read"),
        (with_document("phone: {}\n---\nphone: {}"), "cannot be read"),
        (with_document("phone: !!python/object/apply:os.system [id]"), "cannot be read"),
        (with_document(f"{BOMB}phone: *i"), "cannot be read"),
        (with_document("phone: " + "[" * 5_000), "cannot be read"),
        (with_document("phone: 2026-13-45"), "cannot be read"),
        (with_document('phone: {trunk: {name: "${PHONE_MOOD}"}}'), "asks for PHONE_MOOD"),
        (with_document('phone: {trunk: {name: "$"}}'), r"a \$ that names no setting"),
        (with_document("phone: {trunk: {name: 5}}"), r"phone\.trunk\.name"),
    ],
)
def test_a_hostile_file_has_a_clear_error(text: str, words: str) -> None:
    with pytest.raises(TrunkFileRefused, match=words):
        parse_trunk_file(text, GOOD)


def test_a_file_that_cannot_be_read_has_a_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "livekit.yaml"
    with pytest.raises(TrunkFileRefused, match=r"cannot be read \(FileNotFoundError\)"):
        read_trunk_file(GOOD, path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(TrunkFileRefused, match=r"cannot be read \(UnicodeDecodeError\)"):
        read_trunk_file(GOOD, path)
    path.write_text("#" * (FILE_BYTES_MAX + 1))
    with pytest.raises(TrunkFileRefused, match="too long"):
        read_trunk_file(GOOD, path)


def test_a_file_with_the_line_ends_of_windows_is_read(tmp_path: Path) -> None:
    path = tmp_path / "livekit.yaml"
    path.write_bytes(CONFIG.read_text().replace("\n", "\r\n").encode())
    assert read_trunk_file(GOOD, path) == read_trunk_file(GOOD)


@pytest.mark.parametrize(
    ("addresses", "words"),
    [
        ("0.0.0.0/0", "half the world"),
        ("::/0", "half the world"),
        ("192.0.2.0/24, 0.0.0.0/1", "half the world"),
        ("sip.example.com", "no address"),
        ("192.0.2.300", "no address"),
    ],
)
def test_an_address_that_is_none_or_everybody_s_is_refused(addresses: str, words: str) -> None:
    with pytest.raises(TrunkFileRefused, match=words):
        read_trunk_file({**GOOD, "PHONE_ALLOWED_ADDRESSES": addresses})
