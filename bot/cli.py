"""``./courier``: the commands, each a line here and a module behind it."""

from __future__ import annotations

import argparse
import getpass
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bot import settings as configuration
from bot.settings import ROOT
from store.engine import Database
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
    parser = _parser("up", "start everything on this machine")
    parser.add_argument("--empty", action="store_true", help="no demo data")
    options = parser.parse_args(arguments)
    from bot import up

    return up.up(configuration.load(), empty=options.empty)


def _serve(arguments: list[str]) -> int:
    _parser("serve", "the service alone, in the foreground").parse_args(arguments)
    import uvicorn

    from bot import app

    settings = configuration.load()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    # httpx writes every address at INFO, and addresses may carry a channel's token.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    uvicorn.run(
        app.create(settings),
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
    parser = _parser("channels", "whether the channels outside are set up")
    parser.add_argument("what", choices=["check"])
    parser.parse_args(arguments)
    import asyncio

    from bot.channels.telegram.check import check

    works, sentence = asyncio.run(check(configuration.load().telegram))
    print(sentence)
    return 0 if works else 1


def _train(arguments: list[str]) -> int:
    parser = _parser("train", "train the bot if no model fits the data")
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
    _parser("migrate", "bring the database to the present schema").parse_args(arguments)
    with _database():
        pass
    print("The database is up to date.")
    return 0


def _seed(arguments: list[str]) -> int:
    parser = _parser("seed", "add shipments from a JSON or CSV file")
    parser.add_argument("--file", type=Path, required=True)
    options = parser.parse_args(arguments)
    from bot import seed
    from parcels.goods import Goods

    goods = Goods.from_file(ROOT / "policies" / "goods.yml")
    with _database() as database, database.write() as session:
        seeded = seed.from_file(session, options.file, goods, configuration.load().zone)
    print(f"{seeded.count} shipments stored.")
    if seeded.ignored:
        print(f"Fields not used: {', '.join(seeded.ignored)} (docs/seeding.md)", file=sys.stderr)
    return 0


def _import(arguments: list[str]) -> int:
    parser = _parser("import", "add parcels or scans from a CSV file, all of it or nothing")
    parser.add_argument("file", type=Path)
    parser.add_argument("--dry-run", action="store_true", help="check every line, store nothing")
    parser.add_argument("--skip-refused", action="store_true", help="store what can be used")
    parser.add_argument("--refused", type=Path, help="default: FILE.refused.csv")
    options = parser.parse_args(arguments)
    from bot.importing import Import
    from parcels.goods import Goods

    goods = Goods.from_file(ROOT / "policies" / "goods.yml")
    refused = options.refused or options.file.with_suffix(".refused.csv")
    with _database() as database:
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


def _user(arguments: list[str]) -> int:
    parser = _parser("user", "add a person to the desk, or give a new password")
    parser.add_argument("login")
    parser.add_argument("--name", help="display name; needed for a new person")
    parser.add_argument("--role", choices=["agent", "supervisor"], default="agent")
    parser.add_argument("--team", default="first_line")
    options = parser.parse_args(arguments)
    password = getpass.getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline().strip()
    from handoff import staff
    from handoff.models import Role

    with _database() as database, database.write() as session:
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


def _key(arguments: list[str]) -> int:
    from parcels import keys, repository
    from parcels.models import Scope

    parser = _parser("key", "keys of programs that call the API")
    what = parser.add_subparsers(dest="what", required=True)
    add = what.add_parser("add", help="make a key; it is shown this once")
    add.add_argument("name")
    add.add_argument("--scope", action="append", choices=list(Scope), required=True)
    what.add_parser("revoke", help="the key opens nothing any more").add_argument("name")
    what.add_parser("list", help="names, scopes and dates; never the keys")
    options = parser.parse_args(arguments)
    with _database() as database, database.write() as session:
        if options.what == "add":
            print(keys.add(session, options.name, {Scope(name) for name in options.scope}))
        elif options.what == "revoke":
            keys.revoke(session, options.name)
            print(f"{options.name} is revoked.")
        else:
            for key in repository.api_keys(session):
                state = f"revoked {key.revoked_at:%Y-%m-%d}" if key.revoked_at else "in force"
                print(f"{key.name}\t{' '.join(key.scopes)}\t{key.created_at:%Y-%m-%d}\t{state}")
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
    return int(pytest.main(arguments))


def _help(arguments: list[str]) -> int:
    print("./courier " + " | ".join(name for name in _COMMANDS if name != "serve"))
    return 0 if not arguments else 2


def _parser(name: str, purpose: str) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(prog=f"./courier {name}", description=purpose)


@contextmanager
def _database() -> Iterator[Database]:
    """The configured database at the present schema."""
    from store import schema

    database = Database(configuration.load().database)
    schema.migrate(database)
    try:
        yield database
    finally:
        database.dispose()


_COMMANDS: dict[str, Command] = {
    "up": _up,
    "test": _test,
    "say": _say,
    "train": _train,
    "understand": _understand,
    "bench": _bench,
    "migrate": _migrate,
    "seed": _seed,
    "import": _import,
    "user": _user,
    "key": _key,
    "corpus": _corpus,
    "rasa": _rasa,
    "serve": _serve,
    "channels": _channels,
}

if __name__ == "__main__":
    sys.exit(main())
