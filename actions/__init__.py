"""What the bot can do: one module per skill, run inside the service by rasa-sdk's ActionExecutor.

rasa-sdk loads sanic 21.12 (Rasa's own release of it) for a type alone, and that reads a module of
websockets by its name before version 11. The last websockets under that name has no wheel for
Python 3.12, so the new module is given the old name here, before any skill imports rasa_sdk.
"""

from __future__ import annotations

import sys

from websockets import protocol

sys.modules.setdefault("websockets.connection", protocol)
