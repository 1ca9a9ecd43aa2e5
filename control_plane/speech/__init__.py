"""Speech on request: generated once, stored, paid for exactly, found again."""
