"""Commands for whoever connects other systems: keys, files, Kuaidi100."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from bot import settings as configuration
from bot.cli_parts import database_in_use, parser_for
from bot.settings import ROOT
from store.errors import SettingsError


def key(arguments: list[str]) -> int:
    from parcels import keys, repository
    from parcels.models import Scope

    parser = parser_for("key", "keys of programs that call the API")
    what = parser.add_subparsers(dest="what", required=True)
    add = what.add_parser("add", help="make a key; it is shown this once")
    add.add_argument("name")
    add.add_argument("--scope", action="append", choices=list(Scope), required=True)
    what.add_parser("revoke", help="the key opens nothing any more").add_argument("name")
    what.add_parser("list", help="names, scopes and dates; never the keys")
    options = parser.parse_args(arguments)
    with database_in_use() as database, database.write() as session:
        if options.what == "add":
            print(keys.add(session, options.name, {Scope(name) for name in options.scope}))
        elif options.what == "revoke":
            keys.revoke(session, options.name)
            print(f"{options.name} is revoked.")
        else:
            for row in repository.api_keys(session):
                state = f"revoked {row.revoked_at:%Y-%m-%d}" if row.revoked_at else "in force"
                print(f"{row.name}\t{' '.join(row.scopes)}\t{row.created_at:%Y-%m-%d}\t{state}")
    return 0


def import_file(arguments: list[str]) -> int:
    parser = parser_for("import", "add parcels or scans from a CSV file, all of it or nothing")
    parser.add_argument("file", type=Path)
    parser.add_argument("--dry-run", action="store_true", help="check every line, store nothing")
    parser.add_argument("--skip-refused", action="store_true", help="store what can be used")
    parser.add_argument("--refused", type=Path, help="default: FILE.refused.csv")
    options = parser.parse_args(arguments)
    from bot.importing import Import
    from parcels.goods import Goods

    goods = Goods.from_file(ROOT / "policies" / "goods.yml")
    refused = options.refused or options.file.with_suffix(".refused.csv")
    with database_in_use() as database:
        given = Import(options.file, database, goods, configuration.load().zone)
        checked = given.check(refused)
        usable = checked.lines - len(checked.refused)
        if checked.ignored:
            print(f"Columns not used: {', '.join(sorted(checked.ignored))}", file=sys.stderr)
        if checked.refused:
            print(f"{len(checked.refused)} lines refused: {refused}", file=sys.stderr)
        if options.dry_run or (checked.refused and not options.skip_refused):
            print(f"{usable} of {checked.lines} lines can be used; nothing was stored.")
            return 1 if checked.refused else 0
        stored = given.store()
    print(f"{stored.new} new, {stored.known} known before.")
    return 0


def ask_kuaidi100(arguments: list[str]) -> int:
    parser = parser_for("kuaidi100", "ask Kuaidi100 for a parcel's road, or to push it to us")
    what = parser.add_subparsers(dest="what", required=True)
    query = what.add_parser("query", help="store the road as it is now")
    subscribe = what.add_parser("subscribe", help="have the road pushed until it has arrived")
    subscribe.add_argument("--callback", required=True, help="https://…/sources/kuaidi100")
    for command in (query, subscribe):
        command.add_argument("number")
        command.add_argument("company", help="Kuaidi100's code, such as shunfeng")
        command.add_argument("--phone", default="", help="SF and ZTO want the last four digits")
    options = parser.parse_args(arguments)
    import asyncio

    from parcels.sources import base, kuaidi100
    from parcels.sources.statuses import Statuses

    account = configuration.load().sources.kuaidi100
    if account is None:
        raise SettingsError("COURIER_KUAIDI100_KEY, _CUSTOMER and _SALT are not set.")
    client = kuaidi100.Client(account, Statuses.from_file(ROOT / "policies" / "statuses.yml"))
    asked = (options.number, options.company)
    if options.what == "subscribe":
        asyncio.run(client.subscribe(*asked, options.callback, options.phone))
        print(f"Kuaidi100 pushes {options.number} from now on.")
        return 0
    scans = asyncio.run(client.query(*asked, options.phone))
    with database_in_use() as database, database.write() as session:
        stored = base.keep(session, kuaidi100.NAME, scans)
    print(f"{len(scans)} scans; {stored.new} new, {stored.known} known before.")
    return 0


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "key": key,
    "import": import_file,
    "kuaidi100": ask_kuaidi100,
}
