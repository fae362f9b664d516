"""Measurements of the whole product. Imports anything; nothing imports it."""
