"""Process groups of torch.distributed: refused by themselves, and how they work all the same."""

import re

import pytest
from places import ROOT

from hingemetrics import HingeLoss

torch = pytest.importorskip("torch")
dist = pytest.importorskip("torch.distributed")


@pytest.fixture(scope="module")
def group(tmp_path_factory):
    """The world of this process alone."""
    meeting = tmp_path_factory.mktemp("gloo") / "meeting"
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=0, world_size=1)
    yield dist.group.WORLD
    dist.destroy_process_group()


def test_a_group_is_refused_with_the_way_out(group):
    way_out = r"process_group must .* got <.*takes tensors; pass a dist_sync_fn .*all_gather_object"
    with pytest.raises(TypeError, match=way_out):
        HingeLoss(process_group=group)
    metric = HingeLoss()
    metric.update([0.5], [1])
    for sync in (metric.sync, lambda **options: metric.sync_context(**options).__enter__()):
        with pytest.raises(TypeError, match=way_out):
            sync(process_group=group)
    assert metric.compute() == 0.5
    metric.update([0.5], [1])  # it is not left synced


def test_a_function_gets_the_group(group):
    seen = []
    add = lambda state, of: seen.append(of) or state + state  # noqa: E731
    metric = HingeLoss(process_group=group, dist_sync_fn=add)
    metric.update([0.5], [1])
    assert metric.compute() == 0.5
    with metric.sync_context():
        assert metric.state.count == 2
    with HingeLoss().sync_context(dist_sync_fn=add, process_group=group):
        pass
    assert seen == [group] * 3


def test_two_processes(python, tmp_path):
    """The program of the page, as torchrun starts it."""
    page = (ROOT / "docs" / "how_to_scale_out.md").read_text("utf-8")
    program = tmp_path / "evaluate_torch.py"
    program.write_text(re.search(r"^# evaluate_torch.py\n(.*?)^```$", page, re.M | re.S)[1])
    run = python("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", program)
    assert run.returncode == 0, run.stderr
    assert run.stdout.replace("\n", "") == "1.01.0"  # two processes write number and line end each
