"""What a call costs, in numbers that neither the machine nor its load changes."""

import gc
import sys


def calls(function):
    """How many calls a function makes, in Python and in C."""
    count = 0

    def noted(frame, event, argument):
        nonlocal count
        count += event in ("call", "c_call")

    gc.disable()  # whose callbacks would count
    sys.setprofile(noted)
    try:
        function()
    finally:
        sys.setprofile(None)
        gc.enable()
    return count
