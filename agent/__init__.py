"""The worker "sexycall": holds conversations, meters seconds. Knows no price and no database."""
