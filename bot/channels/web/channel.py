"""The web page as a channel. A message is sent as soon as the page's stream may show it."""

from __future__ import annotations

from fastapi import APIRouter

from bot.channels.base import Accept, Part
from bot.channels.web import routes
from bot.channels.web.limits import Limits
from bot.channels.web.page import Page
from bot.channels.web.parts import Web
from bot.channels.web.sites import Sites
from bot.channels.web.stream import Streams
from bot.channels.web.uploads import Uploads
from conversations.files import Files
from conversations.schemas import ANY, Capabilities
from conversations.texts import Texts
from parcels import identity
from store.engine import Database
from store.live import Live

NAME = "web"


class WebChannel:
    """Serves the customers' page and its widget on other websites. ``texts`` must hold the room
    ``web``; ``secret`` seals the ids of uploads."""

    def __init__(
        self,
        database: Database,
        accept: Accept,
        texts: Texts,
        live: Live,
        files: Files,
        sites: Sites,
        proof: identity.Rules,
        secret: str,
        *,
        secure_cookies: bool = False,
        limits: Limits | None = None,
    ) -> None:
        self._web = Web(
            name=NAME,
            database=database,
            accept=accept,
            live=live,
            files=files,
            uploads=Uploads(files, secret),
            texts=texts,
            page=Page(texts, files.most),
            sites=sites,
            streams=Streams(database, live, NAME),
            identity=proof,
            limits=limits or Limits(),
            secure_cookies=secure_cookies,
        )

    @property
    def name(self) -> str:
        return NAME

    @property
    def capabilities(self) -> Capabilities:
        # The page reads whole messages from the record and drops repeats by their id.
        return Capabilities(
            buttons=True,
            max_length=100_000,
            typing=True,
            receipts=True,
            files=ANY,
            retry_unknown=True,
        )

    def router(self) -> APIRouter:
        return routes.router(self._web)

    async def send(self, part: Part) -> str | None:
        """Nothing leaves the house here: once the outbox notes the row as sent, every stream of
        this visitor is woken and shows it. The page confirms by /chat/receipts."""
        return str(part.message_id)
