"""The widget: our page in a frame on other websites, and the script that puts it there."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from sqlalchemy.exc import IntegrityError

from bot.channels import reading
from bot.channels.web import page as pages
from bot.channels.web import schemas, visitors
from bot.channels.web.limits import Buckets
from bot.channels.web.parts import NO_STORE, Web
from bot.channels.web.sites import Site
from bot.channels.web.stream import topic
from bot.channels.web.visitors import Visitor
from conversations import repository as records
from conversations import service as conversations
from conversations.language import LANGUAGES
from parcels import notice_repository as notices
from store.errors import SiteNotAllowed


def add_routes(routes: APIRouter, web: Web, requests: Buckets) -> None:
    """``/widget.js`` and everything below ``/widget/<key>``. UnknownSite for any other key."""

    @routes.get("/widget.js")
    async def script(request: Request) -> Response:
        return web.page.file("widget.js", request, cache="public, max-age=600")

    @routes.get("/widget/{key}", response_class=HTMLResponse)
    async def show(key: str, request: Request) -> Response:
        site = web.sites.get(key)
        headers = {
            **pages.headers(site.sites),
            "Cache-Control": "no-cache",
            "Vary": "Accept-Language",
        }
        return HTMLResponse(web.page.render(_language(site, request), key, site), headers=headers)

    @routes.get("/widget/{key}/theme.css")
    async def theme(key: str) -> Response:
        return Response(
            pages.theme(web.sites.get(key)),
            media_type="text/css; charset=utf-8",
            headers={"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"},
        )

    @routes.get("/widget/{key}/launcher")
    async def launcher(key: str, request: Request) -> Response:
        """What the script needs for its button; a foreign origin is told only if it is allowed."""
        site = web.sites.get(key)
        headers = {"Cache-Control": "no-cache", "Vary": "Origin, Accept-Language"}
        origin = request.headers.get("origin")
        if origin is not None:
            if not site.allows(origin):
                raise SiteNotAllowed(f"site {key} is not for this origin")
            headers["Access-Control-Allow-Origin"] = origin
        return JSONResponse(web.page.launcher(_language(site, request), site), headers=headers)

    @routes.post("/widget/{key}/session")
    async def session(key: str, request: Request) -> Response:
        visitors.same_origin(request)
        requests.take(visitors.network_address(request))
        web.sites.get(key)
        token = visitors.bearer(request)
        visitor = _known(web, key, token)
        if visitor is None:
            token, visitor = web.sites.anonymous(key)
        answer = {"visitor": visitors.label(visitor.address), "token": token}
        return JSONResponse(answer, headers=NO_STORE)

    @routes.post("/widget/{key}/identify")
    async def identify(key: str, request: Request) -> Response:
        """The site says who its visitor is. What he wrote before as a stranger becomes his."""
        visitors.same_origin(request)
        requests.take(visitors.network_address(request))
        web.sites.get(key)
        said = await schemas.read(request, schemas.Identity)
        token, customer = web.sites.identified(key, said.user, said.hmac)
        stranger = _known(web, key, visitors.bearer(request))
        if stranger is not None and stranger.name is None:
            await asyncio.to_thread(_adopt, web, stranger, customer)
        answer = {"visitor": visitors.label(customer.address), "token": token}
        return JSONResponse(answer, headers=NO_STORE)


def _language(site: Site, request: Request) -> str:
    """What the host page asks for, else the site's language, else the browser's."""
    asked = request.query_params.get("lang")
    if asked in LANGUAGES:
        return asked
    if site.language != "auto":
        return site.language
    return pages.accepted_language(request.headers.get("accept-language", ""))


def _known(web: Web, key: str, token: str | None) -> Visitor | None:
    """The visitor of this site who carries the token."""
    visitor = web.sites.visitor(token) if token else None
    return visitor if visitor and visitor.account == key else None


def _adopt(web: Web, stranger: Visitor, customer: Visitor) -> None:
    try:
        _become(web, stranger, customer)
    except IntegrityError:  # PostgreSQL: he was identified on another device at this moment
        _become(web, stranger, customer)


def _become(web: Web, stranger: Visitor, customer: Visitor) -> None:
    with web.database.read() as session:
        if reading.visitor(session, web.name, stranger.account, stranger.address) is None:
            return
    with web.database.write() as session:
        known = reading.visitor(session, web.name, stranger.account, stranger.address)
        if known is None:
            return
        was = known[0]
        now = conversations.become(session, was, customer.address, customer.name)
        if now.id != was.id:
            notices.drop_doubles(session, was.id, now.id)
            records.move(session, was.id, now.id)
        web.live.after_commit(session, "queue", topic(customer.address))
