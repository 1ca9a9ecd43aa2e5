"""The keys that sign receipts are secrets."""

import pytest

from billing.receipt_keys import BadReceiptKeys, ReceiptKeys, ReceiptKeySettings, new_entry


def test_a_key_never_shows_its_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = new_entry()
    seed = entry.partition(":")[2]
    monkeypatch.setenv("RECEIPT_SIGNING_KEYS", entry)
    settings = ReceiptKeySettings()

    keys = ReceiptKeys.of(settings)

    assert keys.signer
    assert seed not in f"{settings!r} {keys!r} {keys.key_set()}"


@pytest.mark.parametrize(
    "text",
    ["k", "k:", "k:AAAA", ":{seed}", "k:{seed},k:{seed}", "k:{seed},", "k k:{seed}", "k:{seed}!"],
)
def test_unusable_keys_stop_the_process_without_telling_the_seed(text: str) -> None:
    seed = new_entry().partition(":")[2]

    with pytest.raises(BadReceiptKeys) as refused:
        ReceiptKeys.parse(text.replace("{seed}", seed))

    assert seed not in str(refused.value)
    assert refused.value.__suppress_context__ or refused.value.__context__ is None
