"""``./courier channels menu``: the account's menu as ``policies/wechat.yml`` has it.

Only a difference is written, so running it again changes nothing.
"""

from __future__ import annotations

import difflib
from typing import Any

import yaml

from bot.channels.base import SendFailed
from bot.channels.tencent.api import Api, Reply
from bot.channels.tencent.media import refused
from bot.channels.tencent.token import Token
from bot.channels.wechat.account import Account
from bot.channels.wechat.channel import stable_token
from bot.channels.wechat.media import ASLEEP
from bot.channels.wechat.policy import WeChatPolicy
from store.errors import CourierError

_NONE = 46003
"""The account has no menu."""


async def set_up(
    account: Account, policy: WeChatPolicy, *, dry_run: bool, api: Api | None = None
) -> str:
    """What changed, or with ``dry_run`` would: lines with ``-`` and ``+``, and a sentence.

    CourierError in one sentence if the platform refuses.
    """
    api = api or Api(account.api)
    token = Token(lambda: stable_token(api, account))
    wanted = policy.buttons()
    try:
        present = await _present(api, token)
        if present == wanted:
            return "The menu is as policies/wechat.yml has it; nothing to do."
        difference = _difference(present, wanted)
        if dry_run:
            return f"{difference}Nothing was changed (dry run)."
        await _write(api, token, wanted)
    except SendFailed as error:
        raise CourierError(f"The menu was not changed: {error}.") from error
    finally:
        await api.close()
    return f"{difference}The menu is set; customers see it within five minutes."


async def _present(api: Api, token: Token) -> list[dict[str, Any]]:
    reply = await token.use(lambda value: api.get("/cgi-bin/menu/get", access_token=value))
    if reply.code == _NONE:
        return []
    _require(reply)
    menu = reply.body.get("menu")
    return [_plain(button) for button in menu.get("button", [])] if isinstance(menu, dict) else []


async def _write(api: Api, token: Token, wanted: list[dict[str, Any]]) -> None:
    """An empty menu is deleted: the platform takes none without a button."""
    if wanted:
        body = {"button": wanted}
        path = "/cgi-bin/menu/create"
        reply = await token.use(lambda value: api.post(path, body, access_token=value))
    else:
        reply = await token.use(lambda value: api.get("/cgi-bin/menu/delete", access_token=value))
    _require(reply)


def _require(reply: Reply) -> None:
    if reply.code != 0:
        raise refused(reply, ASLEEP)


def _plain(button: dict[str, Any]) -> dict[str, Any]:
    """Without the empty lists that the platform adds to what it is told."""
    kept = {name: value for name, value in button.items() if value not in ([], "")}
    if "sub_button" in kept:
        kept["sub_button"] = [_plain(below) for below in kept["sub_button"]]
    return kept


def _difference(present: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> str:
    before, after = (
        yaml.safe_dump(menu, allow_unicode=True, sort_keys=True).splitlines(keepends=True)
        if menu
        else []
        for menu in (present, wanted)
    )
    return "".join(difflib.unified_diff(before, after, "at WeChat", "policies/wechat.yml"))
