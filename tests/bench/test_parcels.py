"""The bench of parcels as a person runs it. It needs no trained model."""

from __future__ import annotations

import pytest

from tests.bench.test_runs import quick

pytestmark = pytest.mark.slow


def test_scans_are_stored_once_on_both_engines_and_a_parcel_is_found_among_them() -> None:
    found = quick("parcels")
    for engine in ("sqlite", "postgresql"):
        assert found[f"{engine}_lost_or_twice"]["ok"], found
        assert found[f"{engine}_lookup_growth"]["ok"], found
        for name in ("scans_rate", "floor_rate", "resident_most", "accepted_p95"):
            assert found[f"{engine}_{name}"]["value"] > 0
