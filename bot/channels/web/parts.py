"""What the web channel's routes work with."""

from __future__ import annotations

from dataclasses import dataclass

from bot.channels.base import Accept
from bot.channels.web.limits import Limits
from bot.channels.web.page import Page
from bot.channels.web.sites import Sites
from bot.channels.web.stream import Streams
from bot.channels.web.uploads import Uploads
from conversations.files import Files
from conversations.texts import Texts
from parcels import identity
from store.engine import Database
from store.live import Live

NO_STORE = {"Cache-Control": "no-store"}


@dataclass(frozen=True, slots=True)
class Web:
    """The rooms, and what is read once at start."""

    name: str
    database: Database
    accept: Accept
    live: Live
    files: Files
    uploads: Uploads
    texts: Texts
    page: Page
    sites: Sites
    streams: Streams
    identity: identity.Rules
    limits: Limits
    secure_cookies: bool
