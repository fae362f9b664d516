"""The customer's side: channels, the router that decides who answers, the parts put together."""

import actions  # noqa: F401  (before anything loads rasa_sdk: see there)
