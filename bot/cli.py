"""``./courier``: the commands, each a line here and a module behind it."""

from __future__ import annotations

import gc
import getpass
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from bot import cli_parcels, cli_promises, cli_tickets
from bot import settings as configuration
from bot.cli_parts import database_in_use, parser_for
from bot.settings import ROOT
from store.errors import CourierError

Command = Callable[[list[str]], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; a failure we expect is one sentence on stderr and exit code 1."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    name = arguments.pop(0) if arguments else "help"
    command = _COMMANDS.get(name, _help)
    try:
        return command(arguments)
    except CourierError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _up(arguments: list[str]) -> int:
    parser = parser_for("up", "start everything on this machine")
    parser.add_argument("--empty", action="store_true", help="no demo data")
    options = parser.parse_args(arguments)
    from bot import up

    return up.up(configuration.load(), empty=options.empty)


def _serve(arguments: list[str]) -> int:
    parser_for("serve", "the service alone, in the foreground").parse_args(arguments)
    import uvicorn

    from bot import app

    settings = configuration.load()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    # httpx writes every address at INFO, and addresses may carry a channel's token.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    created = app.create(settings)
    # A batch of scans is Python's for a while: customers' threads get their turn five times sooner.
    sys.setswitchinterval(0.001)
    # What lasts is set aside: looking through it again and again was a fifth of a batch's work.
    gc.collect()
    gc.freeze()
    uvicorn.run(
        created,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=2,
        timeout_keep_alive=30,
        server_header=False,
    )
    return 0


def _channels(arguments: list[str]) -> int:
    parser = parser_for("channels", "whether the channels outside are set up; WeChat's menu")
    parser.add_argument("what", choices=["check", "menu"])
    parser.add_argument("--dry-run", action="store_true", help="menu: show the difference only")
    options = parser.parse_args(arguments)
    import asyncio

    if options.what == "menu":
        return _menu(options.dry_run)
    from bot.channels.http import account as http
    from bot.channels.telegram.check import check as telegram
    from bot.channels.wechat.check import check as wechat
    from bot.channels.wecom.check import check as wecom

    settings = configuration.load()
    for app in http.from_file(ROOT / "policies" / "http.yml", settings.http_secrets):
        print(f"{app.channel}: on; messages go to {app.callback.host} (docs/http-channel.md).")

    async def check() -> tuple[tuple[bool, str], ...]:
        return await asyncio.gather(
            telegram(settings.telegram), wechat(settings.wechat), wecom(settings.wecom)
        )

    found = asyncio.run(check())
    print(*(sentence for _, sentence in found), sep="\n")
    return 0 if all(works for works, _ in found) else 1


def _menu(dry_run: bool) -> int:
    import asyncio

    from bot.channels.wechat import menu
    from bot.channels.wechat.policy import WeChatPolicy
    from store import policies
    from store.errors import SettingsError

    account = configuration.load().wechat
    if account is None:
        raise SettingsError("WeChat is off: set COURIER_WECHAT_APPID, _SECRET and _TOKEN first.")
    policy = policies.load(ROOT / "policies" / "wechat.yml", WeChatPolicy)
    print(asyncio.run(menu.set_up(account, policy, dry_run=dry_run)))
    return 0


def _train(arguments: list[str]) -> int:
    parser = parser_for("train", "train the bot if no model fits the data")
    parser.add_argument("--force", action="store_true", help="train although a model fits")
    options = parser.parse_args(arguments)
    from rich.console import Console

    from bot import model

    settings = configuration.load()
    fitting = None if options.force else model.fitting(settings)
    if fitting is None:
        with Console(stderr=True).status("Training the bot on data/ …"):
            fitting = model.train(settings)
    print(fitting)
    return 0


def _migrate(arguments: list[str]) -> int:
    parser_for("migrate", "bring the database to the present schema").parse_args(arguments)
    with database_in_use():
        pass
    print("The database is up to date.")
    return 0


def _seed(arguments: list[str]) -> int:
    parser = parser_for("seed", "add shipments or branches from a file")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--file", type=Path, help="shipments: JSON or CSV")
    what.add_argument("--branches", type=Path, help="branches, stations, lockers: YAML or CSV")
    parser.add_argument("--demo", action="store_true", help="mark the branches as demo data")
    options = parser.parse_args(arguments)
    from bot import seed
    from parcels.goods import Goods

    if options.branches:
        with database_in_use() as database, database.write() as session:
            count = seed.branches(session, options.branches, demo=options.demo)
        print(f"{count} branches stored.")
        return 0
    goods = Goods.from_file(ROOT / "policies" / "goods.yml")
    with database_in_use() as database, database.write() as session:
        seeded = seed.from_file(session, options.file, goods, configuration.load().zone)
    print(f"{seeded.count} shipments stored.")
    if seeded.ignored:
        print(f"Fields not used: {', '.join(seeded.ignored)} (docs/seeding.md)", file=sys.stderr)
    return 0


def _user(arguments: list[str]) -> int:
    parser = parser_for("user", "add a person to the desk, or give a new password")
    parser.add_argument("login")
    parser.add_argument("--name", help="display name; needed for a new person")
    parser.add_argument("--role", choices=["agent", "supervisor"], default="agent")
    parser.add_argument("--team", default="first_line")
    parser.add_argument(
        "--telegram", action="store_true", help="only give a code for the team's Telegram group"
    )
    options = parser.parse_args(arguments)
    if options.telegram:
        return _telegram_code(options.login)
    password = getpass.getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline().strip()
    from handoff import staff
    from handoff.models import Role

    with database_in_use() as database, database.write() as session:
        staff.add_or_reset(
            session,
            login=options.login,
            name=options.name,
            role=Role(options.role),
            team=options.team,
            password=password,
        )
    print(f"{options.login} can sign in.")
    return 0


def _telegram_code(login: str) -> int:
    from handoff import links, repository
    from store.errors import NotFound

    with database_in_use() as database, database.write() as session:
        staff = repository.staff_by_login(session, login)
        if staff is None:
            raise NotFound(f"Nobody at the desk is called {login}.")
        code = links.new_code(session, staff.id)
    print(f"{staff.name} writes to the bot, privately and within 15 minutes: /link {code}")
    return 0


def _say(arguments: list[str]) -> int:
    from bot import say

    return say.main(arguments)


def _understand(arguments: list[str]) -> int:
    from bot import model
    from bot.nlu import understand

    settings = configuration.load()
    return understand.main(arguments, model.fitting(settings) or model.train(settings))


def _bench(arguments: list[str]) -> int:
    from bench import main as bench

    return bench.main(arguments)


def _corpus(arguments: list[str]) -> int:
    from bot.nlu import corpus

    return corpus.main(arguments or ["check"])


def _rasa(arguments: list[str]) -> int:
    from bot.nlu import compat
    from bot.processes import environment

    for variable, value in environment(configuration.load()).items():
        os.environ.setdefault(variable, value)
    return compat.main(arguments)


def _test(arguments: list[str]) -> int:
    import pytest

    os.chdir(ROOT)
    if not any(Path(argument.partition("::")[0]).exists() for argument in arguments):
        # All of them: one worker a core. What was named is few, and quicker without workers.
        arguments = ["--numprocesses", "logical", "--maxprocesses", "4", *arguments]
    return int(pytest.main(arguments))


def _help(arguments: list[str]) -> int:
    print("./courier " + " | ".join(name for name in _COMMANDS if name != "serve"))
    return 0 if not arguments else 2


_COMMANDS: dict[str, Command] = {
    "up": _up,
    "test": _test,
    "say": _say,
    "train": _train,
    "understand": _understand,
    "bench": _bench,
    "migrate": _migrate,
    "seed": _seed,
    **cli_parcels.COMMANDS,
    **cli_promises.COMMANDS,
    **cli_tickets.COMMANDS,
    "user": _user,
    "corpus": _corpus,
    "rasa": _rasa,
    "serve": _serve,
    "channels": _channels,
}

if __name__ == "__main__":
    sys.exit(main())
