"""A process that tells customers until nothing is due: for tests to kill."""

from __future__ import annotations

import sys

from store.engine import Database
from tests.bot.notices_house import RULES, House


def main(address: str) -> None:
    loop = House(Database(address), RULES.model_copy(update={"quiet": None})).loop()
    while loop._tell_some(8):
        pass


if __name__ == "__main__":
    main(sys.argv[1])
