"""Money: prices, holds, the ledger. Knows no web framework and no media."""
