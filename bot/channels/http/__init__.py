"""A company's own app as a channel: signed webhooks in and out (docs/http-channel.md)."""
