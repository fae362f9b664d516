"""Orders on their way to the depot, and a depot of our own for demo and tests."""

SIMULATOR = "simulator"
"""The value of ``COURIER_DEPOT_URL`` that switches our own on."""
