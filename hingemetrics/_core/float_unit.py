"""What everything here rests on: float64 rounded to nearest, with subnormal numbers.

Both are settings of the processor, of each thread by itself, and other libraries change them:
`torch.set_flush_denormal(True)`, C's `fesetround`, code that was built with `-ffast-math`.
"""

# Two products that any other setting changes. _TINY * _HALVED is 9.5 times the smallest subnormal
# number: 10 times to the nearest (9.5 is a tie, 10 even), 9 times downwards and towards 0, and 0 if
# it is flushed. 10 * (1 + 2**-52) lies a quarter of the way between two doubles: to the nearest it
# is the lower one, upwards the other. They are globals because Python computes with literals when
# it compiles; as one comparison the check costs about 0.1 us.
_TINY = 2.0**-1022
_HALVED = 9.5 * 2.0**-52
_LARGE = 2.0**1000 * (1.0 + 2.0**-52)
_EXPECTED = 2.0**-74 * (10.0 + 2.0**-49)


def check_float_unit() -> None:
    """Raise if this thread's float unit would change the bits."""
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
