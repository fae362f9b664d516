"""One official account as it stands on the platform's page of basic configuration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from store.errors import SettingsError

API = "https://api.weixin.qq.com"


class Credentials(Protocol):
    """What asks the platform for a token."""

    @property
    def appid(self) -> str: ...

    @property
    def secret(self) -> str: ...

    @property
    def api(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Logistics:
    """The company's own mini program, by which it tells WeChat where parcels are."""

    appid: str
    secret: str = field(repr=False)
    api: str = API


@dataclass(frozen=True, slots=True)
class Account:
    """``aes_key`` empty means plain mode. ``api`` is another address in tests.

    ``custom_send``: the account may write by custom/send (verified ones); else it only answers
    pushes. ``passive``: pushes are answered with the answer where that is there in time.
    ``template``: the template message that tells a customer what waits for him; empty: none.
    """

    appid: str
    secret: str = field(repr=False)
    token: str = field(repr=False)
    aes_key: str = field(default="", repr=False)
    api: str = API
    custom_send: bool = True
    passive: bool = False
    template: str = ""


def from_settings(get: Callable[[str, str], str]) -> Account | None:
    """``None`` if nothing is set; SettingsError names what is missing if only a part is.

    ``get`` gives the setting of a name, or the default beside it.
    """
    appid, secret, token, aes_key = (
        get(f"WECHAT_{name}", "") for name in ("APPID", "SECRET", "TOKEN", "AES_KEY")
    )
    needed = {"APPID": appid, "SECRET": secret, "TOKEN": token}
    if not any(needed.values()) and not aes_key:
        return None
    missing = [f"COURIER_WECHAT_{name}" for name, value in needed.items() if not value]
    if missing:
        raise SettingsError(
            f"WeChat needs {' and '.join(missing)} too; all three stand on the account's page of "
            "basic configuration."
        )
    custom_send = _switch(get, "CUSTOM_SEND")
    passive = _switch(get, "PASSIVE")
    if not custom_send and not passive:
        raise SettingsError(
            "COURIER_WECHAT_CUSTOM_SEND=no leaves passive replies alone; do not set "
            "COURIER_WECHAT_PASSIVE=no too."
        )
    return Account(
        appid,
        secret,
        token,
        aes_key,
        get("WECHAT_API", API),
        custom_send,
        passive,
        get("WECHAT_TEMPLATE", ""),
    )


def logistics(get: Callable[[str, str], str]) -> Logistics | None:
    """``None`` if nothing is set; SettingsError if only a part is."""
    appid, secret = get("WECHAT_LOGISTICS_APPID", ""), get("WECHAT_LOGISTICS_SECRET", "")
    if not appid and not secret:
        return None
    if not appid or not secret:
        missing = "SECRET" if appid else "APPID"
        raise SettingsError(
            f"COURIER_WECHAT_LOGISTICS_{missing} is missing; both stand on the mini program's page "
            "of development settings."
        )
    return Logistics(appid, secret, get("WECHAT_API", API))


def _switch(get: Callable[[str, str], str], name: str) -> bool:
    """A setting that is yes unless it is no."""
    value = get(f"WECHAT_{name}", "yes").lower()
    if value not in {"yes", "no"}:
        raise SettingsError(f"COURIER_WECHAT_{name}={value} must be yes or no.")
    return value == "yes"
