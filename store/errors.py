"""Every failure the product expects, as one tree.

A class per situation; it holds the ids. The edge (HTTP, console) turns it into words for people
and a status; ``str()`` is for logs and carries no personal data.
"""

from __future__ import annotations


class CourierError(Exception):
    """Root. ``code`` names the sentence ``errors.<code>`` of policies/texts, ``status`` HTTP's."""

    code = "unexpected"
    status = 500

    def __init__(self, message: str = "", **facts: object) -> None:
        super().__init__(message or self.code)
        self.facts = facts


class Invalid(CourierError):
    """What came in cannot be used; nothing was changed."""

    code = "invalid"
    status = 422


class TooLong(Invalid):
    code = "too_long"
    status = 413


class FileTooBig(TooLong):
    """``facts``: ``limit`` is the largest size in bytes, ``megabytes`` the same for people."""

    code = "file_too_big"

    def __init__(self, limit: int) -> None:
        super().__init__("file too big", limit=limit, megabytes=limit >> 20)


class FileNotAllowed(Invalid):
    """A kind of file that the company does not take; ``facts['media_type']`` says which."""

    code = "file_not_allowed"
    status = 415


class BadIncident(Invalid):
    """An incident without a place, or one that ends before it begins."""

    code = "bad_incident"


class UploadGone(Invalid):
    """A file that was uploaded too long ago to be sent, or by somebody else."""

    code = "upload_gone"
    status = 410


class CannotCarry(Invalid):
    """The customer's channel takes no such file; ``facts['media_type']`` says which."""

    code = "cannot_carry"


class NotSignedIn(CourierError):
    code = "not_signed_in"
    status = 401


class NoKey(NotSignedIn):
    """A program without a key of the API that is in force."""

    code = "no_key"


class WrongPassword(CourierError):
    code = "wrong_password"
    status = 401


class BadSignature(CourierError):
    """A webhook that was not signed with the account's secret, or not within the last minutes."""

    code = "bad_signature"
    status = 401


class LockedOut(CourierError):
    """Too many wrong passwords; ``facts['until']`` says when the next try is heard."""

    code = "locked_out"
    status = 429


class Forbidden(CourierError):
    code = "forbidden"
    status = 403


class ScopeMissing(Forbidden):
    """A key in force that may not do this."""

    code = "scope_missing"


class NotFound(CourierError):
    code = "not_found"
    status = 404


class Conflict(CourierError):
    """Somebody else was first; the present state is in ``facts``."""

    code = "conflict"
    status = 409


class AlreadyTaken(Conflict):
    """The case has an agent already: ``facts['by']`` is the display name."""

    code = "already_taken"


class Contradicts(Conflict):
    """Words that name a later time than is promised already: ``facts`` are the promise's ``kind``,
    ``words`` and ``by``, and the words that were ``said``. Sent once it is confirmed."""

    code = "contradicts"


class NotYours(Conflict):
    """Only the agent who holds the conversation may write in it."""

    code = "not_yours"


class Outdated(Conflict):
    """Somebody changed the ticket after the writer saw it; ``facts['number']`` names it."""

    code = "outdated"


class OutOfOrder(Conflict):
    """A change that the ticket's state does not allow; ``facts['number']`` names it."""

    code = "out_of_order"


class UnknownSite(NotFound):
    """No website has this key of the widget."""

    code = "unknown_site"


class SiteNotAllowed(Forbidden):
    """The widget's key is known, but not for the site that asks."""

    code = "site_not_allowed"


class WrongIdentity(Forbidden):
    """A site's signature does not fit the user it names: he stays who he was."""

    code = "wrong_identity"


class TooManyRequests(CourierError):
    code = "too_many"
    status = 429


class TooManyFiles(TooManyRequests):
    """``facts['most']`` is how many files a visitor may upload in an hour."""

    code = "too_many_files"


class BotUnavailable(CourierError):
    """Rasa is stopped, hung or answered nothing usable."""

    code = "bot_unavailable"
    status = 503


class SourceUnavailable(CourierError):
    """A source of scans outside did not answer, or not what was asked."""

    code = "source_unavailable"
    status = 502


class PolicyError(CourierError):
    """A policy file that cannot be used; the text names file, place and allowed values."""

    code = "policy"


class SettingsError(CourierError):
    """A setting that cannot be used; the text is one sentence with the way out."""

    code = "settings"
