"""Websites that carry the widget: who may show it, how it looks, and who its visitors are.

A visitor of a site carries a bearer token: a secret of his own, or the site's word for who he is.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from fastapi import Request
from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from bot.channels.web import colours, visitors
from bot.channels.web.visitors import Visitor
from store import clock, ids, policies
from store.errors import NotSignedIn, SettingsError, UnknownSite, WrongIdentity
from store.policies import Policy

SESSION = timedelta(hours=12)
"""How long the site's word holds; the host page says it anew each time it loads."""

_ORIGIN = re.compile(r"https?://(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*(:[1-9][0-9]{0,4})?")


def _origin(text: str) -> str:
    if not _ORIGIN.fullmatch(text):
        raise ValueError(
            f"{text!r} is no site; write it like https://shop.example.com or "
            "https://*.example.com, in small letters, without a path"
        )
    return text


class Words(Policy):
    """A text in each language."""

    zh: Annotated[str, Field(min_length=1, max_length=80)]
    en: Annotated[str, Field(min_length=1, max_length=80)]

    def of(self, language: str) -> str:
        return self.en if language == "en" else self.zh


Colour = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]


class Colours(Policy):
    """The brand's colour on white, and on dark."""

    light: Colour
    dark: Colour = "#2f6bd0"

    @field_validator("light", "dark")
    @classmethod
    def _can_be_seen(cls, colour: str, info: ValidationInfo) -> str:
        ground = str(info.field_name)
        found = colours.contrast(colour, colours.SHEET[ground])
        if found < colours.VISIBLE:
            raise ValueError(
                f"{colour} has a contrast of {found:.1f} to the {ground} ground; "
                f"{colours.VISIBLE:.0f} is the least that can be seen"
            )
        return colour


class Site(Policy):
    """One website."""

    sites: Annotated[tuple[Annotated[str, AfterValidator(_origin)], ...], Field(min_length=1)]
    language: Literal["auto", "zh", "en"] = "auto"
    theme: Literal["auto", "light", "dark"] = "auto"
    colours: Colours
    title: Words
    greeting: Words

    def allows(self, origin: str) -> bool:
        """Whether a page of this origin may carry the widget: as ``frame-ancestors`` decides it."""
        if origin in self.sites:
            return True
        scheme, _, host = origin.partition("://")
        below = host.partition(".")[2]
        # https://*.example.com covers a.example.com and b.a.example.com, not example.com.
        while below:
            if f"{scheme}://*.{below}" in self.sites:
                return True
            below = below.partition(".")[2]
        return False


Key = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,30}$")]


class WidgetPolicy(Policy):
    """``policies/widget.yml``."""

    keys: dict[Key, Site]

    @field_validator("keys")
    @classmethod
    def _not_ours(cls, keys: dict[str, Site]) -> dict[str, Site]:
        if visitors.PAGE in keys:
            raise ValueError(f"{visitors.PAGE!r} is the customers' page itself; take another key")
        return keys


class Sites:
    """The policy with the sites' secrets (by key): makes tokens and reads them."""

    def __init__(self, policy: WidgetPolicy, secrets: Mapping[str, str]) -> None:
        named = {key.upper().replace("-", "_"): key for key in policy.keys}
        for name in secrets:
            if name not in named:
                raise SettingsError(
                    f"COURIER_WIDGET_SECRET_{name} belongs to no key of policies/widget.yml; "
                    f"there are {', '.join(sorted(named)) or 'none'}."
                )
        self._sites = policy.keys
        self._secrets = {named[name]: secret.encode() for name, secret in secrets.items()}

    @classmethod
    def from_file(cls, path: Path, secrets: Mapping[str, str]) -> Sites:
        return cls(policies.load(path, WidgetPolicy), secrets)

    def get(self, key: str) -> Site:
        """The site with this key; UnknownSite if there is none."""
        if key not in self._sites:
            raise UnknownSite("unknown site key")
        return self._sites[key]

    def anonymous(self, key: str) -> tuple[str, Visitor]:
        """Somebody new: his token and who he is to us."""
        secret, address = visitors.new()
        return f"{key}.{secret}", Visitor(key, address)

    def identified(self, key: str, user: str, signature: str) -> tuple[str, Visitor]:
        """The site's customer ``user``, if ``signature`` is HMAC-SHA256 of it by the site's secret
        in hexadecimal digits; else, and where the site has no secret, WrongIdentity."""
        secret = self._secrets.get(key)
        expected = hmac.new(secret or b"", user.encode(), hashlib.sha256).hexdigest()
        if secret is None or not hmac.compare_digest(expected.encode(), signature.encode()):
            raise WrongIdentity(f"identity refused at site {key}")
        name = base64.urlsafe_b64encode(user.encode()).decode().rstrip("=")
        claim = f"{key}.{name}.{int((clock.now() + SESSION).timestamp())}"
        return f"{claim}.{self._seal(key, claim)}", _customer(key, user)

    def require(self, request: Request) -> Visitor:
        """Who asks; NotSignedIn if the browser has no session yet. A token that is no good is not
        made up for by a cookie."""
        token = visitors.bearer(request)
        found = visitors.of_cookie(request) if token is None else self.visitor(token)
        if found is None:
            raise NotSignedIn("no visitor session")
        return found

    def visitor(self, token: str) -> Visitor | None:
        """Who carries this token; ``None`` if it is forged, out of date, or its site is gone."""
        key, *rest = token.split(".")
        if key not in self._sites:
            return None
        match rest:
            case [secret]:
                address = visitors.fingerprint(secret)
                return Visitor(key, address) if address else None
            case [name, until, seal] if key in self._secrets:
                claim = f"{key}.{name}.{until}"
                if not hmac.compare_digest(self._seal(key, claim).encode(), seal.encode()):
                    return None
                if int(until) < clock.now().timestamp():
                    return None
                return _customer(key, _decoded(name))
        return None

    def _seal(self, key: str, claim: str) -> str:
        """Our signature. Its key is apart from the site's: a user called like a claim gains
        nothing from the site's signature."""
        ours = hashlib.sha256(b"courier desk session\0" + self._secrets[key]).digest()
        return hmac.new(ours, claim.encode(), hashlib.sha256).hexdigest()


def _customer(key: str, user: str) -> Visitor:
    return Visitor(key, ids.fingerprint(f"{key}\0{user}"), user)


def _decoded(name: str) -> str:
    return base64.urlsafe_b64decode(name + "=" * (-len(name) % 4)).decode()
