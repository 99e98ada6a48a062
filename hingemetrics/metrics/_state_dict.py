"""State dicts: configuration and state as plain data that JSON can hold."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from hingemetrics._core.group_keys import KINDS, Key, decoded, encoded
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
    _check_fields(state_dict, configuration, {"update_count", "state"})
    updates, text = state_dict["update_count"], state_dict["state"]
    if type(updates) is not int or not isinstance(text, str):
        raise TypeError(
            f"state_dict['update_count'] must be an int and ['state'] a str, "
            f"got {type(updates).__name__} and {type(text).__name__}"
        )
    if not 0 <= updates < TOO_MANY_UPDATES:  # not shown: it may be too long to print
        raise ValueError("state_dict['update_count'] must be from 0 to 2**128 - 1")
    state = _parsed_state(text, "state_dict['state']")
    if updates < (1 if state.count else 0):
        raise ValueError(
            f"state_dict['update_count'] must fit {state.count} samples, got {updates}"
        )
    return updates, state


def grouped_state_dict_of(
    configuration: dict[str, Any], kind: str | None, states: dict[Key, HingeState[Any]]
) -> dict[str, Any]:
    """Return the state dict of a metric by group."""
    return {
        "version": _VERSION,
        **configuration,
        "group_type": kind,
        "groups": encoded(list(states)),
        "states": [state.to_bytes().hex() for state in states.values()],
    }


def parsed_grouped_state_dict(
    state_dict: Mapping[str, Any], configuration: dict[str, Any]
) -> list[tuple[Key, HingeState[Any]]]:
    """Return keys and states, or raise unless the dict fits the configuration."""
    _check_fields(state_dict, configuration, {"group_type", "groups", "states"})
    kind, groups, texts = (state_dict[name] for name in ("group_type", "groups", "states"))
    if type(groups) is not list or type(texts) is not list:
        raise TypeError(
            f"state_dict['groups'] and ['states'] must be lists, "
            f"got {type(groups).__name__} and {type(texts).__name__}"
        )
    if len(groups) != len(texts):
        raise ValueError(
            f"state_dict['states'] must have a state for each of {len(groups)} groups, "
            f"got {len(texts)}"
        )
    kinds: tuple[str | None, ...] = KINDS if groups else (None,)
    if kind not in kinds:
        choices = ", ".join(map(repr, kinds))
        raise ValueError(f"state_dict['group_type'] must be one of {choices}, got {kind!r}")
    try:
        keys: list[Any] = decoded(kind, groups)
    except ValueError as error:
        raise ValueError(f"state_dict['groups'] is corrupt: {error}") from None
    if any(b <= a for a, b in itertools.pairwise(keys)):
        raise ValueError("state_dict['groups'] must be sorted, and no group there twice")
    states = []
    for index, text in enumerate(texts):
        name = f"state_dict['states'][{index}]"
        if type(text) is not str:
            raise TypeError(f"{name} must be a str, got {type(text).__name__}")
        state = _parsed_state(text, name)
        if not state.count:
            raise ValueError(f"{name} must be of at least one sample, got none")
        states.append(state)
    return list(zip(keys, states, strict=True))


def _check_fields(
    state_dict: Mapping[str, Any], configuration: dict[str, Any], further: set[str]
) -> None:
    """Raise unless a state dict has the version, this configuration, and these further fields."""
    if not isinstance(state_dict, Mapping):
        raise TypeError(f"state_dict must be a mapping, got {type(state_dict).__name__}")
    expected = {"version": _VERSION, **configuration}
    fields = {*expected, *further}
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


def _parsed_state(text: str, name: str) -> HingeState[Any]:
    """Return the state that hexadecimal digits stand for, or raise."""
    try:
        state = HingeState.from_bytes(bytes.fromhex(text))
    except ValueError as error:
        raise ValueError(f"{name} is corrupt: {error}") from None
    if text != state.to_bytes().hex():
        raise ValueError(f"{name} must be lower-case hexadecimal digits")
    return state
