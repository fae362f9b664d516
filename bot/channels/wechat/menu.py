"""``./courier channels menu``: the account's menu as ``policies/wechat.yml`` has it.

Only a difference is written, so running it again changes nothing.
"""

from __future__ import annotations

import difflib
from typing import Any

import yaml

from bot.channels.base import SendFailed
from bot.channels.wechat import media
from bot.channels.wechat.account import Account
from bot.channels.wechat.api import Api, Reply
from bot.channels.wechat.policy import WeChatPolicy
from bot.channels.wechat.token import Token
from store.errors import CourierError

_NONE = 46003
"""The account has no menu."""
_ANSWER = 100_000


async def set_up(
    account: Account, policy: WeChatPolicy, *, dry_run: bool, api: Api | None = None
) -> str:
    """What changed, or with ``dry_run`` would: lines with ``-`` and ``+``, and a sentence.

    CourierError in one sentence if the platform refuses.
    """
    api = api or Api(account.api)
    token = Token(api, account.appid, account.secret)
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
    reply = await media.with_token(
        token, lambda value: api.download("/cgi-bin/menu/get", _ANSWER, access_token=value)
    )
    if not isinstance(reply, Reply):
        return []
    if reply.code == _NONE:
        return []
    _require(reply)
    menu = reply.body.get("menu")
    return [_plain(button) for button in menu.get("button", [])] if isinstance(menu, dict) else []


async def _write(api: Api, token: Token, wanted: list[dict[str, Any]]) -> None:
    """An empty menu is deleted: the platform takes none without a button."""
    if wanted:
        reply = await media.with_token(
            token, lambda value: api.post("/cgi-bin/menu/create", {"button": wanted},
                                          access_token=value),
        )  # fmt: skip
    else:
        found = await media.with_token(
            token, lambda value: api.download("/cgi-bin/menu/delete", _ANSWER, access_token=value)
        )
        assert isinstance(found, Reply)
        reply = found
    _require(reply)


def _require(reply: Reply) -> None:
    if reply.code != 0:
        raise media.refused(reply)


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
