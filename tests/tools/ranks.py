"""Ranks without processes: `process_group` and `dist_sync_fn` of a metric in tests."""

import operator
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import reduce


class World:
    """Ranks, each in its thread; their allreduce is mpi4py's: pickled, then added in rank order."""

    def __init__(self, size):
        self.size, self.slots = size, [None] * size
        self.barrier = threading.Barrier(size, timeout=300)

    def run(self, work):
        """`work(rank, group)` on every rank; the list of what they return."""
        with ThreadPoolExecutor(self.size) as pool:
            futures = [pool.submit(work, rank, Rank(self, rank)) for rank in range(self.size)]
            return [future.result() for future in futures]


class Rank:
    def __init__(self, world, rank):
        self.world, self.rank, self.calls = world, rank, 0

    def allreduce(self, obj):
        self.calls += 1
        self.world.slots[self.rank] = pickle.dumps(obj)
        self.world.barrier.wait()
        received = [pickle.loads(slot) for slot in self.world.slots]
        self.world.barrier.wait()
        return reduce(operator.add, received)


def gathered(states):
    """A `dist_sync_fn` that adds the states of other ranks, and remembers its calls."""

    def sync(state, group):
        sync.calls.append((state, group))
        return reduce(operator.add, states, state)

    sync.calls = []
    return sync
