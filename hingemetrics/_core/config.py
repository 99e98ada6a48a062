"""The configuration of a loss: its multi-class mode, and whether it is squared."""

from __future__ import annotations

import enum
from typing import Literal, NamedTuple

import numpy as np

BINARY = 1  # the `num_classes` of binary data


class MulticlassMode(str, enum.Enum):
    """The two multi-class hinge losses; names are matched without regard to case, `-` or `_`."""

    CRAMMER_SINGER = "crammer-singer"
    ONE_VS_ALL = "one-vs-all"

    @classmethod
    def _missing_(cls, value: object) -> MulticlassMode | None:
        if isinstance(value, str):
            wanted = value.lower().replace("_", "-")
            return next((mode for mode in cls if mode.value == wanted), None)
        return None


OneNumber = Literal["crammer-singer", MulticlassMode.CRAMMER_SINGER] | None
"""The modes whose value is always a float."""


class Config(NamedTuple):
    """What must agree before two states can be merged."""

    squared: bool
    multiclass_mode: MulticlassMode

    def form(self, num_classes: int) -> str:
        """Return the name of the loss for data with this many classes."""
        return "binary" if num_classes == BINARY else self.multiclass_mode._value_

    def is_per_class(self, num_classes: int) -> bool:
        """Whether data with this many classes have one loss per class."""
        return self.form(num_classes) == "one-vs-all"

    def losses_per_sample(self, num_classes: int) -> int:
        """Return the number of losses per sample: C for one-vs-all, else 1."""
        return num_classes if self.is_per_class(num_classes) else 1

    def __str__(self) -> str:
        return f"squared={self.squared}, multiclass_mode={self.multiclass_mode.value!r}"

    @classmethod
    def checked(cls, squared: object, multiclass_mode: object) -> Config:
        """Return a valid configuration, or raise; None stands for Crammer-Singer."""
        if not isinstance(squared, (bool, np.bool_)):
            raise TypeError(f"squared must be a bool, got {squared!r}")
        if multiclass_mode is None:
            return cls(bool(squared), MulticlassMode.CRAMMER_SINGER)
        try:
            return cls(bool(squared), MulticlassMode(multiclass_mode))
        except ValueError:
            choices = ", ".join(repr(mode.value) for mode in MulticlassMode)
            raise ValueError(
                f"multiclass_mode must be None, {choices} or a MulticlassMode, "
                f"got {multiclass_mode!r}"
            ) from None
