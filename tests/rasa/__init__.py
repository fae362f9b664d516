"""Rasa as this product runs it."""

import actions  # noqa: F401  (before anything loads rasa_sdk: see there)
