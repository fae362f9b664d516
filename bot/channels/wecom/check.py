"""``./courier channels check``: whether WeCom is set up, and where to get what is missing."""

from __future__ import annotations

from bot.channels.base import SendFailed
from bot.channels.tencent.crypto import key_of
from bot.channels.wecom.account import Account
from bot.channels.wecom.api import Wecom
from bot.channels.wecom.channel import PATH

_WHY = {
    40013: "COURIER_WECOM_CORPID is refused; copy it from My Company (我的企业) on the admin page",
    40001: "COURIER_WECOM_SECRET is refused; copy it from the application's page",
    60020: "this machine's address is not among the application's trusted ones (企业可信IP)",
    48002: "the application may not call customer service; add it under WeChat Customer Service "
    "(微信客服), applications that may call the API",
}


async def check(account: Account | None) -> tuple[bool, str]:
    """Whether it works, and a sentence for people. Changes nothing at WeCom's. SettingsError for
    an unusable key."""
    if account is None:
        return True, "wecom: off. docs/wecom.md says what to set, and where each setting stands."
    key_of(account.aes_key, "COURIER_WECOM_AES_KEY")
    wecom = Wecom(account)
    try:
        token = await wecom.ask_token()
        if token.code != 0:
            return False, f"wecom: {_WHY.get(token.code, token.reason)}."
        found = await wecom.call("account/list", {"offset": 0, "limit": 100})
    except SendFailed as error:
        return False, f"wecom: out of reach ({error}); behind a proxy set HTTPS_PROXY."
    finally:
        await wecom.close()
    if found.code != 0:
        return False, f"wecom: {_WHY.get(found.code, found.reason)}."
    return _accounts(account, found.body.get("account_list"))


def _accounts(account: Account, listed: object) -> tuple[bool, str]:
    known = {
        str(one.get("open_kfid")): bool(one.get("manage_privilege"))
        for one in (listed if isinstance(listed, list) else [])
        if isinstance(one, dict)
    }
    served = account.kfids or tuple(known)
    absent = [kfid for kfid in served if kfid not in known]
    if not known or absent:
        return False, (
            f"wecom: the application sees the accounts {', '.join(known) or 'none'}"
            + (f", not {', '.join(absent)} of COURIER_WECOM_KFID" if absent else "")
            + "; give it theirs under WeChat Customer Service (微信客服)."
        )
    barred = [kfid for kfid in served if not known[kfid]]
    if barred:
        return False, (
            f"wecom: {', '.join(barred)} may be read but not answered; hand them to the API under "
            "WeChat Customer Service (微信客服), accounts managed by API."
        )
    return True, (
        f"wecom: the token is given, {', '.join(served)} can be answered. The callback's address "
        f"is https://<your address>{PATH}, with COURIER_WECOM_TOKEN and COURIER_WECOM_AES_KEY."
    )
