"""Servers that speak the protocols of speech providers, with real audio and faults on command."""
