"""The house all end-to-end tests live in, and the browser that visits it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.e2e import browser as browsers
from tests.e2e import house as houses
from tests.e2e.house import House


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--screenshots",
        action="store_true",
        help="write README's pictures to docs/images (a plain run changes no tracked file)",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here is slow; the first test may have to wait for a model to be trained."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.timeout(900))


@pytest.fixture(scope="package")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One installation for all of them: every test brings customers and parcels of its own."""
    with houses.built(tmp_path_factory.mktemp("house")) as running:
        yield running


# Playwright's loop must not outlive the module: tests with loops of their own run after it.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browsers.launched() as browser:
        yield browser
