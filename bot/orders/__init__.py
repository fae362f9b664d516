"""What all orders to other systems of the company have in common, whatever they order."""

SIMULATOR = "simulator"
"""The value of ``COURIER_DEPOT_URL`` and ``COURIER_PAYOUT_URL`` that switches our own on."""
