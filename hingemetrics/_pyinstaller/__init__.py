"""Where PyInstaller finds the hook of the package."""

from __future__ import annotations

import os


def get_hook_dirs() -> list[str]:
    """Return the folders with hooks, as the entry point ``pyinstaller40`` asks."""
    return [os.path.dirname(__file__)]
