"""What `mpiexec` runs: each rank measures its share and must get the value of everything.

Arguments: "laws", or "mismatch" for ranks that disagree about their configuration.
"""

import sys
import warnings

import numpy as np
from cases import forms, name
from mpi4py import MPI
from oracle import bits

import hingemetrics
from hingemetrics import HingeLoss, HingeState

WORLD = MPI.COMM_WORLD
ROWS = 101


def shares(case, ranks):
    """The rows of each rank: cut anywhere, dealt out, or all on the last one."""
    index = np.arange(len(case))
    rng = np.random.default_rng(ranks)
    yield "cut", np.split(index, np.sort(rng.integers(0, len(case), ranks - 1)))
    yield "dealt", [rng.permutation(index[rank::ranks]) for rank in range(ranks)]
    yield "last", [*[index[:0]] * (ranks - 1), index]


def check(case, share, step_sync):
    mine = case.rows(share[WORLD.rank])
    metric = HingeLoss(case.squared, case.mode, process_group=WORLD, dist_sync_on_step=step_sync)
    weight = [] if mine.weight is None else [mine.weight]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a rank without data has a mean of nothing
        forward = metric.forward(mine.preds, mine.target, *weight)
    whole, alone = bits(case.expected()), metric.state
    assert alone == mine.state()
    assert metric.update_count == bool(len(mine))
    if step_sync:
        assert bits(forward) == whole
    assert bits(metric.compute()) == whole
    assert metric.state == alone
    assert WORLD.allreduce(alone).to_bytes() == case.state().to_bytes()

    metric.sync()
    assert metric.state == case.state()
    assert bits(metric.compute()) == whole
    metric.unsync()
    assert metric.state == alone
    with metric.sync_context():
        assert metric.state == case.state()
    assert metric.state == alone

    gathered = sum(map(HingeState.from_bytes, WORLD.allgather(alone.to_bytes())), case.empty())
    assert gathered == case.state()


def laws():
    checks = 0
    for case in forms(ROWS):
        for how, share in shares(case, WORLD.size):
            try:
                check(case, share, step_sync=checks % 2 == 0)
            except AssertionError as error:
                raise AssertionError(f"rank {WORLD.rank}: {name(case)}, {how}") from error
            checks += 1
    digests = WORLD.allgather([bits(case.loss()) for case in forms(ROWS)])
    assert all(digest == digests[0] for digest in digests)
    WORLD.Barrier()
    if WORLD.rank == 0:
        print(f"{WORLD.size} ranks, {checks} checks")


def mismatch():
    metric = HingeLoss(squared=WORLD.rank > 0, process_group=WORLD)
    metric.update([0.5], [1])
    print(metric.compute())


hingemetrics.set_backend("numpy")
{"laws": laws, "mismatch": mismatch}[sys.argv[1]]()
