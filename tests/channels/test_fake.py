"""The contract against a platform that can suffer everything, with and without dropped repeats."""

from __future__ import annotations

import pytest

from tests.channels.contract import ChannelContract, Platform
from tests.channels.fake import FakePlatform


class TestAPlatformThatShowsEveryRepeat(ChannelContract):
    @pytest.fixture
    def platform(self) -> Platform:
        return FakePlatform(drops_repeats=False)


class TestAPlatformThatDropsRepeats(ChannelContract):
    @pytest.fixture
    def platform(self) -> Platform:
        return FakePlatform(drops_repeats=True)
