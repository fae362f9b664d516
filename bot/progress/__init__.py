"""A ticket's own page, for its customer."""
