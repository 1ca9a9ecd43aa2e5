"""Recordings of calls: who said yes to which words, and the audio that may be kept for it."""
