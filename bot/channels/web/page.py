"""The page and its files: rendered from a template, served with a content policy that lets no
foreign or inline script run."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import Request, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

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
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "media-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
_FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class File:
    """A static file, plain and packed."""

    media_type: str
    plain: bytes
    packed: bytes


class Page:
    """Everything of the page that does not depend on who looks at it, read once."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts
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
        templates = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._template = templates.get_template("chat.html")

    def render(self, language: str) -> str:
        """The page in one language."""
        words = self._texts.room(language, "web")
        other = next(name for name in LANGUAGES if name != language)
        config: dict[str, Any] = {
            "language": language,
            "zone": self._texts.zone.key,
            "max_text": MAX_TEXT,
            "texts": {
                key.removeprefix("live."): text
                for key, text in words.items()
                if key.startswith("live.")
            },
        }
        return self._template.render(
            t=words,
            language=language,
            tag={"zh": "zh-CN", "en": "en"}[language],
            other=other,
            config=config,
            files=f"/static/web/{self.version}",
        )

    def file(self, name: str, request: Request) -> Response:
        """A static file; NotFound for any other name."""
        file = self._files.get(name)
        if file is None:
            raise NotFound("no such file")
        packed = "gzip" in request.headers.get("accept-encoding", "")
        return Response(
            file.packed if packed else file.plain,
            media_type=file.media_type,
            headers={
                "Cache-Control": _FOR_EVER,
                "Vary": "Accept-Encoding",
                "X-Content-Type-Options": "nosniff",
                **({"Content-Encoding": "gzip"} if packed else {}),
            },
        )


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
