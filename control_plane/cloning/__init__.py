"""Voices made from a recording, with the consent of the person they belong to."""
