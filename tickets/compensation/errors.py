"""What can stand in the way of compensation."""

from __future__ import annotations

from store.errors import Conflict, Forbidden, OutOfOrder


class AlreadyGranted(Conflict):
    """This parcel (or ticket) got this already; ``facts['number']`` names the ticket."""

    code = "already_granted"


class OwnGrant(Forbidden):
    """Nobody decides what he asked for himself."""

    code = "own_grant"


class LiabilityOpen(OutOfOrder):
    """A claim is paid once liability is settled; ``facts['number']`` names the ticket."""

    code = "liability_open"
