"""Orders on their way to the depot, and a depot of our own for demo and tests."""
