"""WeCom's customer service under the contract."""

from __future__ import annotations

import pytest

from tests.channels.contract import Platform, QuotaContract
from tests.channels.wecom_fake import WecomPlatform


class TestWecom(QuotaContract):
    @pytest.fixture
    def platform(self) -> Platform:
        return WecomPlatform()
