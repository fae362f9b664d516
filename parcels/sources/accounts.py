"""Which sources are switched on, by settings. No sentence repeats a secret."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from parcels.sources import kuaidi100
from parcels.sources.asked import Asker
from store.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Accounts:
    """None or empty: that source is off."""

    kuaidi100: kuaidi100.Account | None = None
    asker: Asker | None = None
    track17: str = field(default="", repr=False)
    aftership: str = field(default="", repr=False)


def from_settings(get: Callable[[str, str], str]) -> Accounts:
    """``get`` gives the setting of a name, or the default beside it. SettingsError names what is
    missing if only a part is set."""
    account = _whole(get, "KUAIDI100", ("KEY", "CUSTOMER", "SALT"), "the salt is yours to choose")
    asker = _whole(get, "KUAIDI100_ASKS", ("KEY", "SECRET"), "both are yours to choose")
    api = get("KUAIDI100_API", kuaidi100.API)
    return Accounts(
        kuaidi100=kuaidi100.Account(**account, api=api) if account else None,
        asker=Asker(**asker) if asker else None,
        track17=get("17TRACK_KEY", ""),
        aftership=get("AFTERSHIP_SECRET", ""),
    )


def _whole(
    get: Callable[[str, str], str], prefix: str, names: tuple[str, ...], hint: str
) -> dict[str, str] | None:
    """All of the settings, in small letters, or none."""
    given = {name: get(f"{prefix}_{name}", "") for name in names}
    if not any(given.values()):
        return None
    if missing := [f"COURIER_{prefix}_{name}" for name, value in given.items() if not value]:
        raise SettingsError(f"Kuaidi100 needs {' and '.join(missing)} too; {hint}.")
    return {name.lower(): value for name, value in given.items()}
