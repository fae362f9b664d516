"""The page and its files: rendered from a template, served with a content policy that lets no
foreign or inline script run. A site's widget is the same page in its colours, without the story."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import Request, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bot.channels.web import colours
from bot.channels.web.colours import Shades
from bot.channels.web.schemas import MAX_FILES
from bot.channels.web.sites import Site
from bot.channels.web.visitors import LANGUAGE_COOKIE
from conversations.language import LANGUAGES
from conversations.schemas import MAX_TEXT
from conversations.texts import Texts
from store.errors import NotFound

_HERE = Path(__file__).parent
_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
_FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class File:
    """A static file, plain and packed."""

    media_type: str
    plain: bytes
    packed: bytes


def headers(ancestors: Sequence[str] = ("'none'",), *, locates: bool = False) -> dict[str, str]:
    """Of a page that only ``ancestors`` may show in a frame. ``locates``: it may ask the browser
    where the customer is."""
    return {
        "Content-Security-Policy": (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
            "media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'self'; "
            f"frame-ancestors {' '.join(ancestors)}"
        ),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Permissions-Policy": (
            f"camera=(), microphone=(), geolocation=({'self' if locates else ''})"
        ),
    }


class Page:
    """Everything of the page that does not depend on who looks at it, read once."""

    def __init__(self, texts: Texts, most: int) -> None:
        """``most`` is the size of the largest file, in bytes."""
        self._texts = texts
        self._most = most
        self._files = {
            path.name: File(
                _TYPES[path.suffix], path.read_bytes(), gzip.compress(path.read_bytes(), mtime=0)
            )
            for path in sorted((_HERE / "static").iterdir())
            if path.suffix in _TYPES
        }
        digest = hashlib.sha256(b"".join(file.plain for file in self._files.values()))
        # Part of the path, so that a module's imports of its neighbours carry it too.
        self.version = digest.hexdigest()[:12]
        self._templates = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def shown(self, template: str, room: str, language: str, **facts: Any) -> str:
        """A template of ours in one language, with the texts of ``room`` and our files."""
        return self._templates.get_template(template).render(
            **self._common(room, language), **facts
        )

    def part(self, template: str, room: str, language: str, **facts: Any) -> Any:
        """The macros of a template, ready to be called."""
        found = self._templates.get_template(template)
        return found.make_module(self._common(room, language) | facts)

    def _common(self, room: str, language: str) -> dict[str, Any]:
        return {
            "t": self._texts.room(language, room),
            "language": language,
            "tag": {"zh": "zh-CN", "en": "en"}[language],
            "other": next(name for name in LANGUAGES if name != language),
            "files": f"/static/web/{self.version}",
        }

    def render(self, language: str, key: str = "", site: Site | None = None) -> str:
        """The page in one language; with ``site`` its widget's, whose key is ``key``."""
        words = dict(self._texts.room(language, "web"))
        if site is not None:
            words |= {
                "title": site.title.of(language),
                "service": site.title.of(language),
                "welcome.heading": site.greeting.of(language),
            }
        config: dict[str, Any] = {
            "language": language,
            "site": key,
            "zone": self._texts.zone.key,
            "max_text": MAX_TEXT,
            "max_files": MAX_FILES,
            "max_bytes": self._most,
            "texts": {
                key.removeprefix("live."): text
                for key, text in words.items()
                if key.startswith("live.")
            },
        }
        theme = site.theme if site else "auto"
        own = {"t": words, "config": config, "site": site, "theme": theme}
        template = self._templates.get_template("chat.html")
        return template.render(self._common("web", language) | own)

    def launcher(self, language: str, site: Site) -> dict[str, Any]:
        """The button on the host's page: words, colours, and the text on them."""
        words = self._texts.room(language, "web")
        return {
            "language": language,
            "title": site.title.of(language),
            "theme": site.theme,
            "colours": {
                ground: {"colour": shades.colour, "on": shades.on}
                for ground, shades in _shades(site).items()
            },
            "unread": words["launcher.unread"],
        }

    def file(self, name: str, request: Request, *, cache: str = _FOR_EVER) -> Response:
        """A static file; NotFound for any other name."""
        file = self._files.get(name)
        if file is None:
            raise NotFound("no such file")
        packed = "gzip" in request.headers.get("accept-encoding", "")
        return Response(
            file.packed if packed else file.plain,
            media_type=file.media_type,
            headers={
                "Cache-Control": cache,
                "Vary": "Accept-Encoding",
                "X-Content-Type-Options": "nosniff",
                **({"Content-Encoding": "gzip"} if packed else {}),
            },
        )


def theme(site: Site) -> str:
    """The site's colours as a style sheet that follows chat.css."""
    sheets = {
        ground: (
            f":root{{--accent:{s.colour};--solid:{s.colour};--on-accent:{s.on};"
            f"--accent-strong:{s.text};--accent-wash:{s.wash}}}"
        )
        for ground, s in _shades(site).items()
    }
    if site.theme != "auto":
        return sheets[site.theme]
    return f"{sheets['light']}@media (prefers-color-scheme: dark){{{sheets['dark']}}}"


def _shades(site: Site) -> dict[str, Shades]:
    return {
        ground: colours.shades(colour, ground)
        for ground, colour in (("light", site.colours.light), ("dark", site.colours.dark))
    }


def language_of(request: Request) -> str:
    """What the visitor chose here or before, else the first of his browser's languages we speak."""
    for chosen in (request.query_params.get("lang"), request.cookies.get(LANGUAGE_COOKIE)):
        if chosen in LANGUAGES:
            return chosen
    return accepted_language(request.headers.get("accept-language", ""))


def accepted_language(header: str) -> str:
    """The best of LANGUAGES in an Accept-Language header; ``zh`` if it names none of them."""
    wanted: list[tuple[float, int, str]] = []
    for position, entry in enumerate(header.split(",")[:20]):
        tag, _, weight = entry.strip().partition(";q=")
        try:
            quality = float(weight) if weight else 1.0
        except ValueError:
            continue
        language = tag.strip().lower().partition("-")[0]
        if language in LANGUAGES and quality > 0:
            wanted.append((-quality, position, language))
    return min(wanted)[2] if wanted else "zh"
