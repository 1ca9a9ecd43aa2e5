"""Fixtures of the end-to-end tests."""

from tests.e2e.rough_stack import rough, rough_stack

__all__ = ["rough", "rough_stack"]
