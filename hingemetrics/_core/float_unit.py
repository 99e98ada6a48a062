"""What every result relies on: float64 rounded to nearest, with subnormal numbers.

Both are processor settings of each thread, and other libraries change them:
`torch.set_flush_denormal(True)`, C's `fesetround`, code built with `-ffast-math`.
"""

# Two products that any other setting changes. _TINY * _HALVED is 9.5 times the smallest subnormal
# number: 10 times rounded to nearest (9.5 is a tie, 10 is even), 9 times rounded down or towards 0,
# and 0 if it is flushed. 10 * (1 + 2**-52) lies a quarter of the way between two doubles: rounded
# to nearest it is the lower one, rounded up the other. They are globals because Python evaluates
# literals when it compiles; as a single comparison the check costs about 0.1 us.
_TINY = 2.0**-1022
_HALVED = 9.5 * 2.0**-52
_LARGE = 2.0**1000 * (1.0 + 2.0**-52)
_EXPECTED = 2.0**-74 * (10.0 + 2.0**-49)


def check_float_unit() -> None:
    """Raise if this thread's float unit has settings that would change results."""
    if _TINY * _HALVED * _LARGE != _EXPECTED:
        if _TINY * _HALVED:
            must, got, call = "round to nearest", "rounds another way", "fesetround(FE_TONEAREST)"
        else:
            must, got = "keep subnormal numbers", "flushes them to zero"
            call = "torch.set_flush_denormal(False)"
        raise RuntimeError(
            f"the float unit of this thread must {must}, got one that {got}; set it back, "
            f"as {call} does, or call from another thread"
        )
