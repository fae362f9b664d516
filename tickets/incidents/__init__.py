"""Tickets that rise together: proposed as one incident, confirmed by a person, joined to it."""
