"""The bench of parcels as a person runs it. It needs no trained model."""

from __future__ import annotations

import pytest

from tests.bench.test_runs import quick

pytestmark = pytest.mark.slow


def test_scans_are_stored_once_found_and_told_once_on_both_engines() -> None:
    found = quick("parcels")
    for engine in ("sqlite", "postgresql"):
        assert found[f"{engine}_lost_or_twice"]["ok"], found
        assert found[f"{engine}_lookup_growth"]["ok"], found
        for name in ("wave_lost", "wave_twice", "wave_out_of_order"):
            assert found[f"{engine}_{name}"]["ok"], found
        assert found[f"{engine}_wave_last"]["value"] > found[f"{engine}_wave_first"]["value"] > 0
        assert found[f"{engine}_notice_p95"]["ok"], found
        assert (
            found[f"{engine}_wave_rate"]["value"] > 0 < found[f"{engine}_wave_floor_rate"]["value"]
        )
        for name in (
            "scans_rate",
            "floor_rate",
            "wave_rate",
            "wave_floor_rate",
            "resident_most",
            "accepted_p95",
        ):
            assert found[f"{engine}_{name}"]["value"] > 0
