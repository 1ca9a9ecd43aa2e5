"""Calls by telephone: numbers, PINs, admission of callers, and the trunk they come in by."""
