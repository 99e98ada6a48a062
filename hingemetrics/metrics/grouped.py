"""GroupedHingeLoss: the loss of each group of rows; and hinge_loss_by, in one call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hingemetrics._core.config import Config, MulticlassMode
from hingemetrics._core.group_keys import Key
from hingemetrics._core.grouped_tally import GroupedTally
from hingemetrics._core.tally import Tally
from hingemetrics._core.typing import Floats
from hingemetrics._engine.grouped import measure_groups
from hingemetrics._inputs.arguments import checked_ignore_index
from hingemetrics._inputs.batch import Batch
from hingemetrics._inputs.groups import checked_groups
from hingemetrics.metrics._base import Metric, locked
from hingemetrics.metrics._state_dict import grouped_state_dict_of, parsed_grouped_state_dict
from hingemetrics.state import HingeState, state_of, tally_of


def hinge_loss_by(
    preds: object,
    target: object,
    groups: object,
    squared: bool = False,
    multiclass_mode: str | MulticlassMode | None = None,
    *,
    sample_weight: object = None,
    ignore_index: int | None = None,
) -> dict[Any, float] | dict[Any, Floats]:
    """Return the mean hinge loss of each group of rows; the data is read once.

    Each value has the bits that `hinge_loss` gives for the rows of that group alone.

    Parameters
    ----------
    preds : array_like, shape (N,) or (N, C)
        Decision values, as for `hinge_loss`.
    target : array_like, shape (N,)
        Labels, as for `hinge_loss`.
    groups : array_like, shape (N,)
        The group of each row: strings, integers of 64 bits, bools, floats, dates or times of whole
        microseconds, all of one type, none missing; an array, a list, or a column of pandas, polars
        or pyarrow, also a categorical one.
    squared : bool, default False
        Whether each loss is squared.
    multiclass_mode : None, str or MulticlassMode, default None
        "crammer-singer" (also None) or "one-vs-all". Binary data ignores it.
    sample_weight : array_like, shape (N,), optional
        Finite weights >= 0.
    ignore_index : int, optional
        Rows with this target are ignored: they make no group.

    Returns
    -------
    dict
        By group, in sorted order, the loss (dimensionless): a float, or for one-vs-all an array of
        float64, (C,). The keys are plain Python: str, int, bool, float, datetime.date, or
        datetime.datetime (in UTC if it has a time zone). A group whose weights are all zero has
        NaN, with a UserWarning; no rows make an empty dict.

    Raises
    ------
    TypeError
        As `hinge_loss`; also if `groups` holds anything else, or more than one type.
    ValueError
        As `hinge_loss`; also if a group is missing; the message names the index.

    Examples
    --------
    >>> from hingemetrics import hinge_loss_by
    >>> hinge_loss_by([-2.2, 2.4, 0.5, 0.25], [0, 1, 1, 1], ["a", "a", "b", "b"])
    {'a': 0.0, 'b': 0.625}
    """
    config = Config.checked(squared, multiclass_mode)
    batch = Batch(preds, target, sample_weight, checked_ignore_index(ignore_index))
    nothing = GroupedTally(Tally(config))
    return measure_groups(batch, checked_groups(groups, batch.rows), nothing).values()


class GroupedHingeLoss(Metric):
    """The exact hinge loss of each group of rows, such as of a user, a country or a day.

    The states, and so the values, have the same bits for any order and batching, and their sum is
    the state of a `HingeLoss` that has seen all rows.

    Parameters
    ----------
    squared : bool, default False
        Whether each loss is squared.
    multiclass_mode : None, str or MulticlassMode, default None
        "crammer-singer" (also None) or "one-vs-all". Binary data ignores it.
    ignore_index : int, optional
        Rows with this target are ignored: they make no group.

    Raises
    ------
    TypeError
        If an argument has the wrong type.
    ValueError
        If `multiclass_mode` is not one of the choices.

    Notes
    -----
    One instance may be updated from many threads: no update is lost. A method that raises leaves
    what was seen unchanged. A group takes some 80 bytes besides its key, with weights 130, for
    one-vs-all 60 per class; an update costs a copy of all that, so batches should not be much
    smaller than the number of groups. To store it, use `state_dict`; a pickle is for the same
    version of this package.

    Examples
    --------
    >>> from hingemetrics import GroupedHingeLoss
    >>> metric = GroupedHingeLoss()
    >>> metric.update([-2.2, 2.4, 0.5], [0, 1, 1], ["a", "a", "b"])
    >>> metric.update([0.25], [1], ["b"])
    >>> metric.compute()
    {'a': 0.0, 'b': 0.625}
    >>> metric.states["b"].count, metric.state.count
    (2, 4)
    """

    def __init__(
        self,
        squared: bool = False,
        multiclass_mode: str | MulticlassMode | None = None,
        ignore_index: int | None = None,
    ) -> None:
        super().__init__(squared, multiclass_mode, ignore_index)
        self._seen: GroupedTally = self._nothing()

    @property
    def states(self) -> dict[Any, HingeState]:
        """What was seen of each group, by its key, in sorted order; made when it is asked for."""
        return {key: state_of(tally) for key, tally in self._seen.tallies().items()}

    @property
    def state(self) -> HingeState:
        """Everything seen so far, the sum of all states, as an immutable value."""
        return state_of(self._seen.total)

    def update(
        self, preds: object, target: object, groups: object, sample_weight: object = None
    ) -> None:
        """Add a batch.

        Parameters
        ----------
        preds : array_like, shape (N,) or (N, C)
            Decision values, as for `hinge_loss`.
        target : array_like, shape (N,)
            Labels, as for `hinge_loss`.
        groups : array_like, shape (N,)
            The group of each row, as for `hinge_loss_by`.
        sample_weight : array_like, shape (N,), optional
            Finite weights >= 0.

        Raises
        ------
        TypeError, ValueError
            As `hinge_loss_by`; also if the type of the groups, the number of classes, the form
            (binary or multi-class) or the binary coding (0 or -1) differs from that of earlier
            batches.
        """
        batch = Batch(preds, target, sample_weight, self._ignore_index)
        found = checked_groups(groups, batch.rows)
        seen = self._seen
        if not self._swap(seen, measure_groups(batch, found, seen)):  # another thread was faster
            self._add(measure_groups(batch, found, self._nothing()))

    def compute(self) -> dict[Any, float] | dict[Any, Floats]:
        """Return the loss of each group.

        Returns
        -------
        dict
            As `hinge_loss_by`: by group, in sorted order; empty before any update.
        """
        return self._seen.values()

    def reset(self) -> None:
        """Forget everything seen."""
        with locked():
            self._seen = self._nothing()

    def merge_state(self, other: GroupedHingeLoss | Iterable[GroupedHingeLoss]) -> None:
        """Add what another metric has seen, or several: all of them or, on any error, none.

        Parameters
        ----------
        other : GroupedHingeLoss, or iterable of them
            Of the same configuration.

        Raises
        ------
        TypeError
            If `other` is neither, or its groups are of another type.
        ValueError
            If the configurations, numbers of classes or codings disagree.
        """
        others = [other] if isinstance(other, GroupedHingeLoss) else other
        if not isinstance(others, Iterable):
            raise TypeError(
                f"other must be a GroupedHingeLoss or an iterable of them, "
                f"got {type(other).__name__}"
            )
        total = self._nothing()
        for index, one in enumerate(others):
            if not isinstance(one, GroupedHingeLoss):
                raise TypeError(
                    f"other must hold GroupedHingeLoss, got {type(one).__name__} at index {index}"
                )
            self._check_ignore_index(one)
            total += one._seen
        self._add(total)

    def state_dict(self) -> dict[str, Any]:
        """Return configuration and states as plain data that JSON can hold.

        Returns
        -------
        dict
            "version" (1), "squared", "multiclass_mode", "ignore_index", "group_type" ("str", "int",
            "bool", "float", "date", "datetime" or "datetime with a time zone"; None without
            groups), "groups": the sorted keys, floats as `float.hex` and times as `isoformat` write
            them, and "states": for each the hexadecimal digits of `HingeState.to_bytes`.
        """
        seen = self._seen
        states = {key: state_of(tally) for key, tally in seen.tallies().items()}
        return grouped_state_dict_of(self._configuration(), seen.kind, states)

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Replace what was seen by what `state_dict` returned.

        Parameters
        ----------
        state_dict : mapping
            From a metric with the same configuration.

        Raises
        ------
        TypeError
            If it, or a field, has the wrong type.
        ValueError
            If a field is missing, unknown, corrupt, or disagrees with this metric.
        """
        states = parsed_grouped_state_dict(state_dict, self._configuration())
        config = self._nothing().config
        tallies: list[tuple[Key, Tally]] = [(key, tally_of(state)) for key, state in states]
        try:
            loaded = GroupedTally.of_tallies(config, tallies)
        except ValueError as error:
            raise ValueError(f"state_dict['states'] must fit together, got {error}") from None
        self._change(lambda seen: loaded)

    def _add(self, added: GroupedTally) -> None:
        """Add what other rows were seen to be, all of it or, on any error, nothing."""
        self._change(lambda seen: seen + added)

    def _nothing(self) -> GroupedTally:
        return GroupedTally(tally_of(self._empty))
