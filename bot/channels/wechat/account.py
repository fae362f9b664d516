"""One official account as it stands on the platform's page of basic configuration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from store.errors import SettingsError

API = "https://api.weixin.qq.com"


@dataclass(frozen=True, slots=True)
class Account:
    """``aes_key`` empty means plain mode. ``api`` is another address in tests."""

    appid: str
    secret: str = field(repr=False)
    token: str = field(repr=False)
    aes_key: str = field(default="", repr=False)
    api: str = API


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
    return Account(appid, secret, token, aes_key, get("WECHAT_API", API))
