"""State dicts: configuration and state as plain data that JSON can hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hingemetrics.state import HingeState

_VERSION = 1
TOO_MANY_UPDATES = 1 << 128  # the same limit as for samples; bounds hostile state dicts


def state_dict_of(
    configuration: dict[str, Any], state: HingeState[Any], updates: int
) -> dict[str, Any]:
    """Return the state dict of a metric."""
    return {
        "version": _VERSION,
        **configuration,
        "update_count": updates or int(state.count > 0),
        "state": state.to_bytes().hex(),
    }


def parsed_state_dict(
    state_dict: Mapping[str, Any], configuration: dict[str, Any]
) -> tuple[int, HingeState[Any]]:
    """Return the update count and the state, or raise unless the dict fits the configuration."""
    if not isinstance(state_dict, Mapping):
        raise TypeError(f"state_dict must be a mapping, got {type(state_dict).__name__}")
    expected = {"version": _VERSION, **configuration}
    fields = {*expected, "update_count", "state"}
    if missing := fields - set(state_dict):
        raise ValueError(f"state_dict must have all its fields, got none of {sorted(missing)}")
    if unknown := set(state_dict) - fields:
        raise ValueError(
            f"state_dict must have only fields {sorted(fields)}, "
            f"got the unknown {', '.join(sorted(map(repr, unknown)))}"
        )
    for field, value in expected.items():
        got = state_dict[field]
        if type(got) is not type(value) or got != value:
            raise ValueError(f"state_dict[{field!r}] must be {value!r}, got {got!r}")
    updates, text = state_dict["update_count"], state_dict["state"]
    if type(updates) is not int or not isinstance(text, str):
        raise TypeError(
            f"state_dict['update_count'] must be an int and ['state'] a str, "
            f"got {type(updates).__name__} and {type(text).__name__}"
        )
    if not 0 <= updates < TOO_MANY_UPDATES:  # not shown: it may be too long to print
        raise ValueError("state_dict['update_count'] must be from 0 to 2**128 - 1")
    try:
        state = HingeState.from_bytes(bytes.fromhex(text))
    except ValueError as error:
        raise ValueError(f"state_dict['state'] is corrupt: {error}") from None
    if text != state.to_bytes().hex():
        raise ValueError("state_dict['state'] must be lower-case hexadecimal digits")
    if updates < (1 if state.count else 0):
        raise ValueError(
            f"state_dict['update_count'] must fit {state.count} samples, got {updates}"
        )
    return updates, state
