"""Where this repository's tools keep files on the machine: the XDG folders of the user.

It must not know what is kept there.
"""

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent


def _user_folder(variable: str, fallback: str) -> Path:
    # The XDG Base Directory specification has relative paths ignored.
    configured = Path(os.environ.get(variable, ""))
    base = configured if configured.is_absolute() else Path.home() / fallback
    return base / "tierfleet"


def cache_folder() -> Path:
    """Return the folder for what can be made again (built tools)."""
    return _user_folder("XDG_CACHE_HOME", ".cache")


def state_folder() -> Path:
    """Return the folder for what lives on between runs (the standing cluster)."""
    return _user_folder("XDG_STATE_HOME", ".local/state")
