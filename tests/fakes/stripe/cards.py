"""What the bank behind a card says."""

from enum import Enum


class Card(Enum):
    PAYS = "pays"
    DECLINED = "generic_decline"
    NO_FUNDS = "insufficient_funds"
    ASKS_OWNER = "authentication_required"
    SLOW = "slow"  # a bank debit: the money is there days later, or never


# Stripe's own test payment methods, so that the same test runs in a sandbox
TEST_METHODS = {
    "pm_card_visa": Card.PAYS,
    "pm_card_mastercard": Card.PAYS,
    "pm_card_visa_chargeDeclined": Card.DECLINED,
    "pm_card_chargeCustomerFail": Card.DECLINED,
    "pm_card_authenticationRequired": Card.ASKS_OWNER,
}
