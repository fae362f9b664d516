"""``./courier channels check``: whether the official account is set up, and what is missing."""

from __future__ import annotations

from bot.channels.base import SendFailed
from bot.channels.tencent.api import Api
from bot.channels.tencent.crypto import key_of
from bot.channels.wechat.account import Account
from bot.channels.wechat.channel import PATH, stable_token

_WHERE = "the account's page of basic configuration (基本配置)"
_WHY = {
    40013: f"COURIER_WECHAT_APPID is refused; copy it from {_WHERE}",
    40125: f"COURIER_WECHAT_SECRET is refused; copy it from {_WHERE} or make a new one there",
    40164: f"this machine's address is not on the list of allowed ones (IP白名单) on {_WHERE}",
}


async def check(account: Account | None) -> tuple[bool, str]:
    """Whether it works, and a sentence for people. Changes nothing at WeChat's. SettingsError for
    an unusable key."""
    if account is None:
        return True, f"wechat: off. docs/wechat.md says what to set; all of it stands on {_WHERE}."
    if account.aes_key:
        key_of(account.aes_key, "COURIER_WECHAT_AES_KEY")
    api = Api(account.api)
    try:
        reply = await stable_token(api, account)
    except SendFailed as error:
        return False, f"wechat: out of reach ({error}); behind a proxy set HTTPS_PROXY."
    finally:
        await api.close()
    if reply.code != 0:
        return False, f"wechat: {_WHY.get(reply.code, reply.reason)}."
    mode = (
        "safe mode and COURIER_WECHAT_AES_KEY"
        if account.aes_key
        else "plain mode (safer: set COURIER_WECHAT_AES_KEY)"
    )
    return True, (
        f"wechat: the token is given. The server's address on {_WHERE} is "
        f"https://<your address>{PATH}, with COURIER_WECHAT_TOKEN, {mode}."
    )
