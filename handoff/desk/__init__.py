"""The agents' pages and their API. ``routes.router`` is the way in."""
