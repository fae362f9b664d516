"""WeCom customer service as it stands on the corporation's admin pages."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from store.errors import SettingsError

API = "https://qyapi.weixin.qq.com"
_NEEDED = ("CORPID", "SECRET", "TOKEN", "AES_KEY")


@dataclass(frozen=True, slots=True)
class Account:
    """``kfids`` are the customer service accounts to serve, none: all that are heard of.

    ``servicer`` is the colleague in WeCom to whom handed-over conversations go, empty: they stay
    with our desk. ``api`` is another address in tests.
    """

    corpid: str
    secret: str = field(repr=False)
    token: str = field(repr=False)
    aes_key: str = field(repr=False)
    kfids: tuple[str, ...] = ()
    servicer: str = ""
    api: str = API

    def serves(self, kfid: str) -> bool:
        return not self.kfids or kfid in self.kfids


def from_settings(get: Callable[[str, str], str]) -> Account | None:
    """``None`` if nothing is set; SettingsError says what is missing or wrong.

    ``get`` gives the setting of a name, or the default beside it.
    """
    values = {name: get(f"WECOM_{name}", "") for name in (*_NEEDED, "KFID", "SERVICER")}
    if not any(values.values()):
        return None
    missing = [f"COURIER_WECOM_{name}" for name in _NEEDED if not values[name]]
    if missing:
        raise SettingsError(
            f"WeCom needs {' and '.join(missing)} too; docs/wecom.md says where each stands."
        )
    kfids = tuple(word for word in re.split(r"[,\s]+", values["KFID"]) if word)
    wrong = [kfid for kfid in kfids if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", kfid)]
    if wrong:
        raise SettingsError(
            f"COURIER_WECOM_KFID={values['KFID']} holds no OpenKfId; they begin with wk and are "
            "divided by commas, ./courier channels check lists them."
        )
    return Account(
        corpid=values["CORPID"],
        secret=values["SECRET"],
        token=values["TOKEN"],
        aes_key=values["AES_KEY"],
        kfids=kfids,
        servicer=values["SERVICER"],
        api=get("WECOM_API", API),
    )
