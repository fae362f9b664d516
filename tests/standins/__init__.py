"""The other side of channels as servers of their own: for tests, and for ``bench/channels.py``."""
