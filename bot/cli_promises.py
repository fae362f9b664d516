"""``./courier promises``: what a change of policy does to the tickets that are open."""

from __future__ import annotations

from bot import contract
from bot import settings as configuration
from bot.cli_parts import database_in_use, parser_for
from bot.settings import ROOT

AT_ONCE = 500


def promises(arguments: list[str]) -> int:
    """Put the open promises under the present policy, a few hundred in a transaction."""
    parser = parser_for("promises", "put open tickets under the present policies/promises.yml")
    parser.add_argument("what", choices=["apply"])
    parser.parse_args(arguments)
    from tickets.promises import repository
    from tickets.promises.clocks import Clocks
    from tickets.promises.policy import Policies

    folder = ROOT / "policies"
    classes = contract.read(folder / "taxonomy.yml").problems
    clocks = Clocks(Policies(folder, configuration.load().zone, classes))
    moved, after = 0, 0
    with database_in_use() as database:
        while True:
            with database.write() as session:
                found = repository.open_after(session, after, AT_ONCE)
                moved += clocks.apply(session, found)
            if not found:
                break
            after = found[-1].id
    print(f"{moved} open promises are under the present policy now.")
    return 0


COMMANDS = {"promises": promises}
