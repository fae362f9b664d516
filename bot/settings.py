"""Settings: the only reader of the environment. Every name begins with ``COURIER_``."""

from __future__ import annotations

import base64
import os
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bot.channels.wechat import account as wechat
from bot.channels.wecom import account as wecom
from bot.orders import SIMULATOR
from parcels.sources import accounts
from store.errors import SettingsError

ROOT = Path(__file__).resolve().parent.parent
"""The checkout: policies, data and migrations are read from here."""
HTTP_SECRET = "COURIER_HTTP_SECRET_"  # noqa: S105 - the name of a variable
WEBHOOK_SECRET = "COURIER_WEBHOOK_SECRET_"  # noqa: S105


@dataclass(frozen=True, slots=True)
class TelegramSettings:
    """The bot on Telegram. Without ``webhook_url`` the service asks for messages (polling).

    ``secret`` is what Telegram shows with each delivery; empty: one is made for the installation.
    ``api`` is another address of the Bot API (a server of one's own, a test), empty: Telegram's.
    ``desk`` is the supergroup of each team (``*``: all others) whose cases are topics there.
    """

    token: str = field(repr=False)
    webhook_url: str = ""
    secret: str = field(default="", repr=False)
    api: str = ""
    desk: Mapping[str, int] = field(default_factory=dict)
    desk_language: str = "zh"


@dataclass(frozen=True, slots=True)
class OutletSettings:
    """Where orders (to the depot, to pay) go, and the key that signs them. The simulator needs
    no key."""

    url: str
    key: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Settings:
    """How this installation runs. Build it with ``load``."""

    home: Path
    database: str
    host: str
    port: int
    rasa_port: int
    zone: ZoneInfo
    secret: str
    secure_cookies: bool
    telegram: TelegramSettings | None = None
    wechat_logistics: wechat.Logistics | None = None
    wechat: wechat.Account | None = None
    wecom: wecom.Account | None = None
    widget_secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    """By the key of a site, as the environment writes it: ``SHOP`` for ``shop``."""
    sources: accounts.Accounts = field(default_factory=accounts.Accounts)
    http_secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    webhook_secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    """By account, as the environment writes it: ``SHOP_APP`` for ``shop_app``."""
    public_url: str = ""
    """The service as the world sees it, without path: links that leave the house begin with it."""
    depot: OutletSettings | None = None
    payouts: OutletSettings | None = None

    @property
    def models(self) -> Path:
        return self.home / "models"

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    @property
    def service_url(self) -> str:
        """Where this machine reaches the service."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def everywhere(self) -> bool:
        """Whether the service listens on every address of the machine."""
        return self.host in {"", "0.0.0.0", "::"}  # noqa: S104 - compared, not bound

    @property
    def rasa_url(self) -> str:
        return f"http://127.0.0.1:{self.rasa_port}"


def load(environment: Mapping[str, str] | None = None) -> Settings:
    """Read ``COURIER_HOME``, ``_DATABASE``, ``_HOST``, ``_PORT``, ``_RASA_PORT``, ``_TIMEZONE``,
    ``_SECURE_COOKIES``; for Telegram ``_TELEGRAM_TOKEN``, ``_WEBHOOK_URL``, ``_SECRET``, ``_API``,
    ``_DESK``, ``_DESK_LANGUAGE``; for WeChat ``_WECHAT_APPID``, ``_SECRET``, ``_TOKEN``,
    ``_AES_KEY``, ``_CUSTOM_SEND``, ``_PASSIVE``, ``_TEMPLATE``, ``_API``, and to tell it where
    parcels are ``_WECHAT_LOGISTICS_APPID``, ``_SECRET``; for WeCom
    ``_WECOM_CORPID``, ``_SECRET``, ``_TOKEN``, ``_AES_KEY``, ``_KFID``, ``_SERVICER``, ``_API``;
    for the widget ``_WIDGET_SECRET_<KEY>``; for a company's own app ``_HTTP_SECRET_<ACCOUNT>``; for
    systems told of tickets ``_WEBHOOK_SECRET_<NAME>``; for sources of scans see
    docs/sources.md; for the depot ``_DEPOT_URL``, ``_DEPOT_SECRET``, for
    payments ``_PAYOUT_URL``, ``_PAYOUT_SECRET``;
    ``_PUBLIC_URL`` for links that leave the house. SettingsError says in one sentence what is
    wrong."""
    given = os.environ if environment is None else environment

    def get(name: str, default: str) -> str:
        return given.get(f"COURIER_{name}", "").strip() or default

    home = Path(get("HOME", str(ROOT / "var"))).resolve()
    port = _port("PORT", get("PORT", "8600"))
    zone = get("TIMEZONE", "Asia/Shanghai")
    try:
        company_zone = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise SettingsError(
            f"COURIER_TIMEZONE={zone} is no time zone; use a name such as Asia/Shanghai."
        ) from error
    return Settings(
        home=home,
        database=get("DATABASE", f"sqlite:///{home / 'courier.db'}"),
        host=get("HOST", "127.0.0.1"),
        port=port,
        rasa_port=_port("RASA_PORT", get("RASA_PORT", str(port + 5))),
        zone=company_zone,
        secret=_secret(home),
        secure_cookies=get("SECURE_COOKIES", "no").lower() in {"1", "yes", "true"},
        telegram=_telegram(get),
        wechat=wechat.from_settings(get),
        wechat_logistics=wechat.logistics(get),
        wecom=wecom.from_settings(get),
        widget_secrets=_widget_secrets(given),
        sources=accounts.from_settings(get),
        http_secrets=_secrets(given, HTTP_SECRET),
        webhook_secrets=_secrets(given, WEBHOOK_SECRET),
        public_url=_public_url(get("PUBLIC_URL", f"http://127.0.0.1:{port}")),
        depot=_outlet(get, "DEPOT"),
        payouts=_outlet(get, "PAYOUT"),
    )


def _public_url(value: str) -> str:
    url = urlsplit(value)
    if url.scheme not in {"http", "https"} or not url.hostname or url.path.strip("/") or url.query:
        raise SettingsError(
            f"COURIER_PUBLIC_URL={value} must be like https://desk.example.com, without path."
        )
    return value.rstrip("/")


def _telegram(get: Callable[[str, str], str]) -> TelegramSettings | None:
    """Telegram is switched on by its token alone. No sentence repeats the token."""
    token = get("TELEGRAM_TOKEN", "")
    found = TelegramSettings(
        token=token,
        webhook_url=get("TELEGRAM_WEBHOOK_URL", "").rstrip("/"),
        secret=get("TELEGRAM_SECRET", ""),
        api=get("TELEGRAM_API", "").rstrip("/"),
        desk=_groups(get("TELEGRAM_DESK", "")),
        desk_language=get("TELEGRAM_DESK_LANGUAGE", "zh"),
    )
    if found.desk_language not in {"zh", "en"}:
        raise SettingsError("COURIER_TELEGRAM_DESK_LANGUAGE must be zh or en.")
    if not token:
        if found.webhook_url or found.secret or found.api or found.desk:
            raise SettingsError("COURIER_TELEGRAM_TOKEN is missing; @BotFather on Telegram has it.")
        return None
    if not re.fullmatch(r"[0-9]{1,20}:[A-Za-z0-9_-]{10,100}", token):
        raise SettingsError(
            "COURIER_TELEGRAM_TOKEN is no bot token; copy it from @BotFather, digits and colon too."
        )
    local = urlsplit(found.webhook_url).hostname in {"127.0.0.1", "localhost", "::1"}
    if found.webhook_url and not found.webhook_url.startswith("https://") and not local:
        raise SettingsError(
            f"COURIER_TELEGRAM_WEBHOOK_URL={found.webhook_url} must begin with https://; "
            "leave it out and the service asks Telegram for messages itself."
        )
    if found.secret and not re.fullmatch(r"[A-Za-z0-9_-]{16,256}", found.secret):
        raise SettingsError(
            "COURIER_TELEGRAM_SECRET must be 16 to 256 of A-Z a-z 0-9 _ -; or leave it out."
        )
    return found


def _groups(value: str) -> dict[str, int]:
    """``-1001234567890`` for all teams, or ``night=-100123,*=-100456``."""
    found: dict[str, int] = {}
    for part in filter(None, (part.strip() for part in value.split(","))):
        team, _, chat = part.rpartition("=")
        if not re.fullmatch(r"-100[0-9]{5,13}", chat.strip()):
            raise SettingsError(
                f"COURIER_TELEGRAM_DESK={value} must be a supergroup's id such as -1001234567890, "
                "or one for each team: night=-1001234567890,*=-1009876543210."
            )
        found[team.strip() or "*"] = int(chat)
    return found


def _secrets(given: Mapping[str, str], begin: str) -> dict[str, str]:
    """The settings whose names begin so, by the rest of their names."""
    return {
        name.removeprefix(begin): secret.strip()
        for name, secret in given.items()
        if name.startswith(begin) and secret.strip()
    }


def _widget_secrets(given: Mapping[str, str]) -> dict[str, str]:
    """The secrets by which sites vouch for their customers. No sentence repeats one."""
    begin = "COURIER_WIDGET_SECRET_"
    found = _secrets(given, begin)
    for name, secret in found.items():
        if len(secret) < 32:
            raise SettingsError(
                f"{begin}{name} is shorter than 32 characters; "
                'python3 -c "import secrets; print(secrets.token_urlsafe(32))" makes a good one.'
            )
    return found


def _outlet(get: Callable[[str, str], str], name: str) -> OutletSettings | None:
    """``None`` without an address: people then do what is ordered."""
    url, secret = get(f"{name}_URL", ""), get(f"{name}_SECRET", "")
    if not url and secret:
        raise SettingsError(
            f"COURIER_{name}_URL is missing; COURIER_{name}_SECRET alone does nothing."
        )
    if not url or url == SIMULATOR:
        return OutletSettings(url) if url else None
    parts = urlsplit(url)
    local = parts.hostname in {"127.0.0.1", "localhost", "::1"}
    if not parts.hostname or parts.scheme not in ({"https", "http"} if local else {"https"}):
        raise SettingsError(
            f"COURIER_{name}_URL must begin with https://, or be the word simulator for a demo."
        )
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        key = b""
    if not 24 <= len(key) <= 64:
        raise SettingsError(
            f"COURIER_{name}_SECRET must be whsec_ and base64 of 24 to 64 bytes; "
            "make one with: openssl rand -base64 32"
        )
    return OutletSettings(url, key)


def _port(name: str, value: str) -> int:
    if not value.isdecimal() or not 0 < int(value) < 65536:
        raise SettingsError(f"COURIER_{name}={value} is no port; use a number from 1 to 65535.")
    return int(value)


def _secret(home: Path) -> str:
    """The installation's own secret, made at first start and readable by its owner only."""
    path = home / "secret"
    try:
        home.mkdir(parents=True, exist_ok=True)
        try:
            with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as f:
                f.write(secrets.token_urlsafe(32))
        except FileExistsError:
            pass
        return path.read_text().strip()
    except OSError as error:
        raise SettingsError(
            f"{home} cannot be written ({error.strerror}); free space there or set COURIER_HOME."
        ) from error
