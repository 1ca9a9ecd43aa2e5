"""Audio as bytes: measured, converted and joined, by processes that may not be trusted."""
