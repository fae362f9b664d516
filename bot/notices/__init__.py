"""Tells customers of their parcels before they ask."""
