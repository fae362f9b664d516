"""Words, instants and templates for one reader's language."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from babel.dates import format_date
from fastapi import Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from conversations.language import LANGUAGES
from conversations.texts import Texts
from handoff.desk.parts import LANGUAGE_COOKIE
from store import clock
from tickets.compensation.reckoning import shown

HERE = Path(__file__).parent
STATIC = HERE / "static"
"""Served under ``/static/desk/``."""


@dataclass(frozen=True, slots=True)
class Words:
    """The desk's texts in one language, as templates use them: ``w("queue.heading")``."""

    texts: Texts
    language: str

    def __call__(self, key: str, /, **facts: object) -> str:
        return self.texts.say(self.language, f"desk.{key}", 0, **facts)

    def name(self, group: str, value: object) -> str:
        """``value`` of an enum or policy in words; a value without words is shown as it is."""
        key = f"desk.{group}.{value}"
        if self.texts.has(key):
            return self.texts.say(self.language, key)
        return str(value).replace("_", " ")

    def listed(self, group: str, values: Sequence[str]) -> str:
        """Several names of one group, as people list them."""
        names = [self.name(group, value) for value in values]
        return functools.reduce(lambda one, two: self("list", one=one, two=two), names)

    def rule(self, name: str) -> str:
        """A rule's name: urgency rules, handoff reasons and intents share the column."""
        groups = (g for g in ("rule", "reason", "intent") if self.texts.has(f"desk.{g}.{name}"))
        return self.name(next(groups, "rule"), name)

    def outcome(self, stored: str) -> str:
        """What ``pages.outcome_of`` stored: a known outcome and perhaps more words."""
        kind, colon, detail = stored.partition(": ")
        return self.name("outcome", kind) + (colon and f" · {detail}") if kind else stored

    def when(self, at: datetime | str) -> str:
        return self.texts.when(instant(at), self.language)

    def clock(self, at: datetime | str) -> str:
        """The time of day on the company's wall: ``15:40``."""
        return instant(at).astimezone(self.texts.zone).strftime("%H:%M")

    def day(self, at: datetime | str) -> str:
        """The calendar day: what separates the days of a transcript."""
        local = instant(at).astimezone(self.texts.zone)
        form = "M月d日 EEEE" if self.language == "zh" else "EEEE, d MMMM"
        return format_date(local, form, locale=self.language)

    def guest(self, name: str | None, key: str) -> str:
        """A customer's name, or a stable one for somebody who gave none."""
        tail = re.sub(r"[^A-Za-z0-9]", "", key)[-4:].upper()
        return name or self("guest", tail=tail)

    def found(self, text: str, query: str, before: int = 16, after: int = 90) -> Markup:
        """An excerpt with the searched words marked; everything else stays text."""
        at = text.casefold().find(query.strip().casefold())
        if at < 0:
            return escape(text[: before + after])
        end = at + len(query.strip())
        head, tail = text[max(at - before, 0) : at], text[end : end + after]
        return Markup("{}{}<mark>{}</mark>{}{}").format(
            "…" if at > before else "",
            head,
            text[at:end],
            tail,
            "…" if end + after < len(text) else "",
        )


def size(count: int) -> str:
    """Bytes as people read them: ``34 kB``, ``2.1 MB``."""
    return f"{count / 1e6:.1f} MB" if count >= 999_500 else f"{max(count // 1000, 1)} kB"


def instant(at: datetime | str) -> datetime:
    """An instant from the store, or the ISO 8601 text a packet keeps of it."""
    return datetime.fromisoformat(at) if isinstance(at, str) else at


def language_of(request: Request) -> str:
    """The reader's language: his choice, else what his browser asks for, else Chinese."""
    chosen = request.cookies.get(LANGUAGE_COOKIE)
    if chosen in LANGUAGES:
        return chosen
    wishes = []
    for part in request.headers.get("accept-language", "").split(","):
        tag, _, weight = part.partition(";")
        quality = weight.strip().removeprefix("q=")
        try:
            wishes.append((float(quality or 1), tag.strip().split("-")[0].lower()))
        except ValueError:
            continue
    known = [wish for wish in wishes if wish[1] in LANGUAGES]
    return max(known, key=lambda wish: wish[0])[1] if known else "zh"


class Pages:
    """Templates, ready to render in a language. Every value is escaped. ``telegram``: pages lead
    to the codes for a group there."""

    def __init__(self, texts: Texts, *, telegram: bool = False) -> None:
        self._words = {language: Words(texts, language) for language in LANGUAGES}
        self._templates = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals["telegram"] = telegram
        self._templates.filters |= {
            "iso": lambda at: instant(at).isoformat(),
            "past": lambda at: instant(at) < clock.now(),
            "bytes": size,
            "yuan": shown,
            "sum_of": lambda text: sum(text.encode()),
        }

    def words(self, language: str) -> Words:
        return self._words[language]

    def render(self, template: str, language: str, **facts: Any) -> str:
        return self._templates.get_template(template).render(
            w=self._words[language], language=language, **facts
        )
