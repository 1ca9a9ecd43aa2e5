"""Fixtures of the end-to-end tests."""

from tests.e2e.evening import evening
from tests.e2e.rough_stack import rough, rough_stack

__all__ = ["evening", "rough", "rough_stack"]
