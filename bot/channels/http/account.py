"""Who may speak by signed webhooks: ``policies/http.yml``, each account with a secret of its own.

The secrets come from the environment (``COURIER_HTTP_SECRET_<ACCOUNT>``), never from the file.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import httpx
from pydantic import AfterValidator, Field

from bot.settings import HTTP_SECRET
from conversations.schemas import Capabilities
from store.errors import SettingsError
from store.policies import Policy, load

MAKE = (
    'python3 -c "import base64, secrets; '
    "print('whsec_' + base64.b64encode(secrets.token_bytes(32)).decode())\""
)
_LEAST = 24
"""Bytes of a key, as Standard Webhooks asks."""
_ID = re.compile(r"[a-z][a-z0-9_]{0,25}")
_HERE = frozenset({"127.0.0.1", "localhost", "::1"})
MEGABYTE = 1024 * 1024


def _reachable(value: str) -> str:
    try:
        url = httpx.URL(value)
    except httpx.InvalidURL as error:
        raise ValueError("no address") from error
    secure = url.scheme == "https" or (url.scheme == "http" and url.host in _HERE)
    if not url.host or not secure or url.userinfo or url.fragment:
        raise ValueError("must be an https:// address without a name and password in it")
    return value


def _named(name: str) -> str:
    if not _ID.fullmatch(name):
        raise ValueError(f"{name!r}: an account is named by up to 26 of a-z, 0-9 and _")
    return name


Callback = Annotated[str, AfterValidator(_reachable)]
"""An address we post to: https, or plain http on this machine."""
Name = Annotated[str, AfterValidator(_named)]


class App(Policy):
    """An account as the company writes it; ``files`` are media types (``*``: any other) with the
    largest size in megabytes, ``quota`` counts messages after each one of the customer's."""

    callback: Callback
    buttons: bool = True
    max_length: int = Field(default=4000, ge=100, le=100_000)
    quota: int | None = Field(default=None, ge=2, le=1000)
    files: dict[str, int] = Field(default_factory=lambda: {"*": 50})


class Apps(Policy):
    """``policies/http.yml``."""

    accounts: dict[Name, App] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Account:
    """One app, ready to use. ``key`` signs both ways."""

    id: str
    callback: httpx.URL
    key: bytes = field(repr=False)
    capabilities: Capabilities = field(default_factory=Capabilities)

    @property
    def channel(self) -> str:
        """Each account is a channel of its own: what they can carry differs."""
        return f"http_{self.id}"

    def owns(self, url: httpx.URL) -> bool:
        """Whether an address lies where the callback does. No other is ever asked for anything."""
        return _place(url) == _place(self.callback) and not url.userinfo


def from_file(path: Path, secrets: Mapping[str, str]) -> tuple[Account, ...]:
    """The accounts of the policy with their secrets, by the account's name in capitals.

    SettingsError for a secret that is missing, unusable, or nobody's.
    """
    apps = load(path, Apps).accounts
    nobodys(HTTP_SECRET, secrets, apps, path)
    return tuple(
        open_account(name, app, secrets.get(name.upper(), "")) for name, app in apps.items()
    )


def nobodys(prefix: str, secrets: Mapping[str, str], known: Iterable[str], path: Path) -> None:
    """SettingsError for a secret of an account that the policy does not name."""
    for name in secrets.keys() - {account.upper() for account in known}:
        raise SettingsError(f"{prefix}{name} is set, but {path} names no such account.")


def open_account(name: str, app: App, secret: str) -> Account:
    return Account(
        name,
        httpx.URL(app.callback),
        key_of(f"{HTTP_SECRET}{name.upper()}", secret),
        Capabilities(
            buttons=app.buttons,
            max_length=app.max_length,
            receipts=True,
            files={kind: most * MEGABYTE for kind, most in app.files.items()},
            reply_quota=app.quota,
            # The app drops repeats by webhook-id. Under a quota messages leave together, and what
            # is sent again may hold more than the first time: that would be dropped with it.
            retry_unknown=app.quota is None,
        ),
    )


def key_of(variable: str, secret: str) -> bytes:
    """The bytes both sides sign with; SettingsError names the variable and the way out."""
    if not secret:
        raise SettingsError(f"{variable} is missing; this makes one, for both sides: {MAKE}")
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        key = b""
    if len(key) < _LEAST:
        raise SettingsError(
            f"{variable} must be whsec_ and at least {_LEAST} bytes in base64; "
            f"this makes one, for both sides: {MAKE}"
        )
    return key


def _place(url: httpx.URL) -> tuple[str, str, int]:
    return url.scheme, url.host, url.port or {"https": 443, "http": 80}.get(url.scheme, 0)
