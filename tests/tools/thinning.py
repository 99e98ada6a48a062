"""Which of many variants of one test a quick run leaves out.

It keeps as few as show every value that a parameter takes, in each tier. A case of `cases.py`
counts by its traits, so that each form, dtype, flavour and weighting stays; a row of several
counts as one value. What is kept is the same in every process, for workers must agree.
"""

from cases import Case

FEW = 4  # variants that a test may have before it is thinned


def left_out(items):
    """The items that a quick run does without."""
    tests = {}
    for item in items:
        left_out_anyway = any(item.get_closest_marker(mark) for mark in ("slow", "more", "spark"))
        if hasattr(item, "callspec") and not left_out_anyway:
            tests.setdefault((item.parent.nodeid, item.originalname), []).append(item)
    for variants in tests.values():
        if len(variants) > FEW:
            kept = covering([shown(item) for item in variants])
            yield from (item for k, item in enumerate(variants) if k not in kept)


def covering(sets):
    """The numbers of few sets that hold what all hold: always the first that adds most."""
    missing, kept = set().union(*sets), set()
    while missing:
        best = max(range(len(sets)), key=lambda k: len(sets[k] & missing))
        kept.add(best)
        missing -= sets[best]
    return kept


def shown(item):
    """The values that a variant has, each with its tier."""
    values = dict(item.callspec.params)
    tier = values.pop("backend", None)
    found = set()
    for mark in item.iter_markers("parametrize"):
        names = mark.args[0]
        if isinstance(names, str):
            names = tuple(name.strip() for name in names.split(","))
        row = tuple(values.pop(name) for name in names if name in values)
        found |= {(names, value) for value in traits(row)}
    found |= {(name, value) for name, row in values.items() for value in traits((row,))}
    return {(tier, *value) for value in found} or {(tier,)}


def traits(row):
    """What of a row of parameters is to be seen: by identity, for not all are hashable."""
    if len(row) == 1 and isinstance(row[0], Case):
        return set(row[0].traits().items())
    return {tuple(map(id, row))}
