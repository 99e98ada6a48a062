"""A loss together with the warnings that it gives."""

import warnings

from oracle import bits


def bits_and_warnings(function, *arguments, **options):
    """The bits of a result, and what its warnings say of the hinge loss."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = function(*arguments, **options)
    said = [str(warning.message) for warning in caught]
    return bits(result), [text for text in said if "hinge" in text]
