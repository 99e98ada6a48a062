"""`hinge_loss`: the values, against the oracle and the published examples."""

import inspect

import numpy as np
import pytest
from cases import FLOATS, INTEGERS, MODES, REALS, Case, cases, forms, name
from hypothesis import assume, given
from hypothesis import strategies as st
from oracle import bits, expected, says

import hingemetrics
from hingemetrics import HingeLoss, MulticlassMode, hinge_loss

pytestmark = pytest.mark.usefixtures("backend")

NAN, INF = np.nan, np.inf
REDUCTIONS = ("mean", "sum", "none")
BINARY = ([0, 1, 1], [-2.2, 2.4, 0.1])
CLASSES = ([0, 1, 2], [[-1.0, 0.9, 0.2], [0.5, -1.1, 0.8], [2.2, -0.5, 0.3]])


@pytest.mark.filterwarnings("ignore::UserWarning")  # of batches of no rows or no weight
class TestOracle:
    @pytest.mark.parametrize("reduction", REDUCTIONS)
    @given(case=cases())
    def test_any_case(self, reduction, case):
        assert bits(case.loss(reduction)) == bits(case.expected(reduction))

    @given(cases(), st.integers(-1, 3), st.sampled_from(REDUCTIONS))
    def test_ignored(self, case, label, reduction):
        options = {"ignore_index": label, "reduction": reduction}
        assert bits(case.loss(**options)) == bits(case.expected(**options))

    @given(cases())
    def test_state(self, case):
        assume(len(case))
        for reduction in ("mean", "sum"):
            assert bits(case.state().value(reduction)) == bits(case.expected(reduction))

    @pytest.mark.parametrize("case", forms(6000), ids=name)
    def test_many_blocks(self, case):
        assert bits(case.loss()) == bits(case.expected())

    @pytest.mark.parametrize("column", [[1.0], [1.0, 2.0**-53], [2.0**30, 2.0**-23], [1e300, 1.0]])
    @pytest.mark.parametrize("rows", [255, 256, 257, 5000])
    def test_losses_far_apart(self, column, rows):
        """One small loss among large ones shows up in the bits, or in the exact sum less them."""
        losses = np.resize(column, rows)
        case = Case(1.0 - losses, np.ones(rows, int))
        for reduction in REDUCTIONS:
            assert bits(case.loss(reduction)) == bits(case.expected(reduction))


class TestPublishedExamples:
    @pytest.mark.parametrize(
        ("example", "mode", "value"),
        [
            (BINARY, None, 0.3),
            (CLASSES, None, 2.9),
            (CLASSES, "crammer-singer", 2.9),
            (CLASSES, "one-vs-all", [2.2333, 1.5, 1.2333]),
        ],
    )
    def test_value(self, example, mode, value):
        target, preds = example
        found = hinge_loss(preds, target, multiclass_mode=mode)
        assert np.round(found, 4).tolist() == value
        assert bits(found) == bits(expected(preds, target, mode=mode))

    def test_both_codings(self):
        assert hinge_loss([-2.2, 2.4, 0.1], [-1, 1, 1]) == hinge_loss(BINARY[1], BINARY[0])

    def test_squared(self):
        assert bits(hinge_loss(BINARY[1], BINARY[0], True)) == bits((1 - 0.1) * (1 - 0.1) / 3)


class TestCall:
    def test_signature(self):
        parameters = inspect.signature(hinge_loss).parameters.values()
        assert {p.name: p.default for p in parameters if p.default is not p.empty} == {
            "squared": False,
            "multiclass_mode": None,
            "sample_weight": None,
            "ignore_index": None,
            "reduction": "mean",
        }
        keyword_only = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
        assert keyword_only == ["sample_weight", "ignore_index", "reduction"]

    def test_two_names_one_function(self):
        assert hingemetrics.functional.hinge_loss is hinge_loss

    @pytest.mark.parametrize("reduction", ["mean", "sum"])
    def test_scalar_is_a_python_float(self, reduction):
        assert type(hinge_loss(*BINARY[::-1], reduction=reduction)) is float
        assert type(hinge_loss(*CLASSES[::-1], reduction=reduction)) is float
        assert type(hinge_loss(*BINARY[::-1], multiclass_mode="one-vs-all")) is float

    @pytest.mark.parametrize(
        ("example", "mode", "reduction", "shape"),
        [
            (CLASSES, "one-vs-all", "mean", (3,)),
            (CLASSES, "one-vs-all", "sum", (3,)),
            (CLASSES, "one-vs-all", "none", (3, 3)),
            (CLASSES, None, "none", (3,)),
            (BINARY, None, "none", (3,)),
        ],
    )
    def test_vector_is_a_float64_array(self, example, mode, reduction, shape):
        found = hinge_loss(*example[::-1], multiclass_mode=mode, reduction=reduction)
        assert (type(found), found.dtype, found.shape) == (np.ndarray, np.float64, shape)
        assert found.flags.writeable

    @pytest.mark.parametrize("reduction", ["median", "", None, 1, "MEAN "])
    def test_unknown_reduction(self, reduction):
        with pytest.raises((ValueError, TypeError), match=says("reduction", "mean", "sum", "none")):
            hinge_loss(*BINARY[::-1], reduction=reduction)

    @pytest.mark.parametrize("squared", [1, "yes", None, np.array([True])])
    def test_squared_is_a_bool(self, squared):
        with pytest.raises(TypeError, match=says("squared", "must be a bool", repr(squared))):
            hinge_loss(*BINARY[::-1], squared)
        with pytest.raises(TypeError, match=says("squared", "must be a bool", repr(squared))):
            HingeLoss(squared)

    def test_inputs_stay_as_they_were(self):
        preds, target = np.array(CLASSES[1]), np.array(CLASSES[0])
        weight = np.array([0.1, 0.0, 2.0])
        hinge_loss(preds, target, True, "one-vs-all", sample_weight=weight, ignore_index=2)
        assert (preds.tolist(), target.tolist(), weight.tolist()) == (
            *CLASSES[::-1],
            [0.1, 0.0, 2.0],
        )

    def test_result_is_the_callers(self):
        preds = np.array(CLASSES[1])
        found = hinge_loss(preds, CLASSES[0], multiclass_mode="one-vs-all", reduction="none")
        found[:] = 7
        assert preds.tolist() == CLASSES[1]


class TestMode:
    @pytest.mark.parametrize("spell", [str, str.upper, str.title, lambda s: s.replace("-", "_")])
    @pytest.mark.parametrize("mode", MODES)
    def test_spellings(self, mode, spell):
        found = hinge_loss(*CLASSES[::-1], multiclass_mode=spell(mode))
        assert bits(found) == bits(expected(*CLASSES[::-1], mode=mode))
        assert MulticlassMode(spell(mode)) is MulticlassMode(mode)

    def test_members(self):
        assert [(m.name, m.value) for m in MulticlassMode] == [
            ("CRAMMER_SINGER", "crammer-singer"),
            ("ONE_VS_ALL", "one-vs-all"),
        ]
        for member in MulticlassMode:
            found = hinge_loss(*CLASSES[::-1], multiclass_mode=member)
            assert bits(found) == bits(expected(*CLASSES[::-1], mode=member.value))

    @pytest.mark.parametrize("example", [BINARY, CLASSES])
    @pytest.mark.parametrize("mode", ["ovr", "", "one vs all", "onevsall", 3, True, b"one-vs-all"])
    def test_unknown(self, example, mode):
        words = says("multiclass_mode", "crammer-singer", "one-vs-all")
        with pytest.raises(ValueError, match=words):
            hinge_loss(*example[::-1], multiclass_mode=mode)
        with pytest.raises(ValueError, match=words):
            HingeLoss(multiclass_mode=mode)


SHAPES = [  # shape of preds, shapes of target that go with it, and what preds is understood as
    ((4,), [(4,), (4, 1), (1, 4), (4, 1, 1), (1, 4, 1)], (4,)),
    ((4, 1), [(4,), (4, 1), (1, 4)], (4,)),
    ((4, 1, 1), [(4,), (4, 1)], (4,)),
    ((1,), [(1,), (1, 1)], (1,)),
    ((1, 1), [(1,), (1, 1)], (1,)),
    ((1, 1, 1), [(1,), (1, 1, 1)], (1,)),
    ((1, 3), [(1,), (1, 1)], (1, 3)),
    ((1, 1, 3), [(1,)], (1, 3)),
    ((1, 3, 1), [(1,)], (1, 3)),
    ((4, 3), [(4,), (4, 1), (1, 4)], (4, 3)),
    ((4, 1, 3), [(4,), (4, 1)], (4, 3)),
    ((4, 3, 1), [(4,), (4, 1)], (4, 3)),
    ((1, 4, 3), [(4,), (1, 4)], (4, 3)),
    ((3, 3), [(3,), (3, 1)], (3, 3)),
]
WRONG_SHAPES = [
    ((), ()),
    ((), (1,)),
    ((1,), ()),
    ((4,), (3,)),
    ((4,), (5,)),
    ((4,), (1,)),
    ((1,), (4,)),
    ((4,), (4, 2)),
    ((4, 3), (3,)),
    ((4, 3), (4, 3)),  # one-hot
    ((1, 4), (4,)),
    ((1, 4), (1, 4)),
    ((4, 0), (4,)),
    ((2, 3, 4), (2,)),
    ((2, 3, 4), (2, 3)),
    ((0,), (1,)),
    ((1,), (0,)),
]


class TestShapes:
    @pytest.mark.parametrize("mode", [None, *MODES])
    @pytest.mark.parametrize(("shape", "targets", "meaning"), SHAPES)
    def test_accepted(self, shape, targets, meaning, mode):
        rng = np.random.default_rng(0)
        preds, target = rng.normal(size=shape), rng.integers(0, 2, meaning[0])
        weight = rng.random(meaning[0])
        for reduction in REDUCTIONS:
            value = expected(
                preds.reshape(meaning), target, mode=mode, sample_weight=weight, reduction=reduction
            )
            for other in targets:
                found = hinge_loss(
                    preds,
                    target.reshape(other),
                    multiclass_mode=mode,
                    sample_weight=weight.reshape(other),
                    reduction=reduction,
                )
                assert bits(found) == bits(value)

    @pytest.mark.parametrize("mode", [None, *MODES])
    @pytest.mark.parametrize(("preds", "target"), WRONG_SHAPES)
    def test_refused(self, preds, target, mode):
        # The text has to show a shape that is wrong, so that the reader can see it.
        with pytest.raises(ValueError, match=r"preds|target") as refusal:
            hinge_loss(np.zeros(preds), np.zeros(target, int), multiclass_mode=mode)
        assert any(str(shape) in str(refusal.value) for shape in (preds, target))

    @pytest.mark.parametrize("shape", [(), (3,), (5,), (4, 2), (1,), (0,)])
    def test_weight_refused(self, shape):
        with pytest.raises(ValueError, match=says("sample_weight", str(shape))):
            hinge_loss(np.zeros(4), np.zeros(4, int), sample_weight=np.ones(shape))


class TestNothingSeen:
    EMPTY = (((0,), ()), ((0, 1), ()), ((0, 3), (3,)))

    @pytest.mark.parametrize(("shape", "vector"), EMPTY)
    @pytest.mark.parametrize("mode", [None, *MODES])
    def test_empty(self, shape, vector, mode):
        shape_of_value = vector if mode == "one-vs-all" else ()
        batch = (np.zeros(shape), np.zeros(0, int))
        with pytest.warns(UserWarning, match="NaN"):
            mean = hinge_loss(*batch, multiclass_mode=mode)
        assert bits(mean) == bits(np.full(shape_of_value, NAN))
        total = hinge_loss(*batch, multiclass_mode=mode, reduction="sum")
        assert bits(total) == bits(np.zeros(shape_of_value))
        none = hinge_loss(*batch, multiclass_mode=mode, reduction="none")
        assert bits(none) == bits(np.zeros((0, *shape_of_value)))

    def test_empty_lists(self):
        with pytest.warns(UserWarning, match="NaN"):
            assert np.isnan(hinge_loss([], []))

    @pytest.mark.parametrize("mode", MODES)
    def test_all_ignored(self, mode):
        preds = CLASSES[1]
        with pytest.warns(UserWarning, match="NaN"):
            mean = hinge_loss(preds, [5, 5, 5], multiclass_mode=mode, ignore_index=5)
        assert bits(mean) == bits(np.full((3,) if mode == "one-vs-all" else (), NAN))

    @pytest.mark.parametrize("mode", MODES)
    def test_all_zero_weight(self, mode):
        target, preds = CLASSES
        with pytest.warns(UserWarning, match="weight"):
            mean = hinge_loss(preds, target, multiclass_mode=mode, sample_weight=[0, 0, 0])
        assert bits(mean) == bits(np.full((3,) if mode == "one-vs-all" else (), NAN))


class TestIgnoreIndex:
    @pytest.mark.parametrize("ignored", [-1, -100, 255, 2**40])
    def test_left_out(self, ignored):
        target, preds = CLASSES
        for mode in MODES:
            for reduction in REDUCTIONS:
                options = {"multiclass_mode": mode, "reduction": reduction, "ignore_index": ignored}
                found = hinge_loss([*preds, [9, 9, 9]], [*target, ignored], **options)
                value = expected(preds, target, mode=mode, reduction=reduction)
                assert bits(found) == bits(value)

    def test_nothing_of_the_row_is_looked_at(self):
        found = hinge_loss([0.5, NAN], [1, -1], ignore_index=-1, sample_weight=[1.0, NAN])
        assert found == 0.5
        found = hinge_loss([0.5, INF], [1, -1], ignore_index=-1, sample_weight=[1.0, -3.0])
        assert found == 0.5

    def test_a_proper_label(self):
        assert hinge_loss([0.5, 9.0, 0.25], [1, 0, 1], ignore_index=0) == 0.625
        assert hinge_loss([[0, 0], [0, 3]], [0, 1], ignore_index=1) == 1.0

    def test_both_codings_when_one_is_ignored(self):
        assert hinge_loss([0.5, 9.0, -0.5], [1, -1, 0], ignore_index=-1) == 0.5

    def test_numpy_integer(self):
        assert hinge_loss([0.5, 9.0], [1, -1], ignore_index=np.int64(-1)) == 0.5

    def test_unsigned_target(self):
        target = np.array([1, 255], np.uint8)
        assert hinge_loss([0.5, 9.0], target, ignore_index=255) == 0.5
        assert hinge_loss([0.5, 9.0], target - target + 1, ignore_index=-1) == 0.25

    @pytest.mark.parametrize("bad", [True, False, "0", 0.0, [0], (1, 2)])
    def test_wrong_kind(self, bad):
        with pytest.raises(TypeError, match=says("ignore_index")):
            hinge_loss(*BINARY[::-1], ignore_index=bad)
        with pytest.raises(TypeError, match=says("ignore_index")):
            HingeLoss(ignore_index=bad)


class TestNonFinite:
    @pytest.mark.parametrize(
        ("preds", "label", "loss"),
        [
            (NAN, 0, NAN),
            (NAN, 1, NAN),
            (INF, 1, 0.0),
            (INF, 0, INF),
            (-INF, 0, 0.0),
            (-INF, 1, INF),
            ([NAN, 9.0, 0.0], 1, NAN),
            ([0.0, NAN, 9.0], 1, NAN),
            ([0.0, 9.0, NAN], 1, NAN),
            ([NAN, INF, -INF], 1, NAN),
            ([0.0, INF, 0.0], 1, 0.0),
            ([INF, 0.0, 0.0], 1, INF),
            ([INF, INF, 0.0], 1, NAN),
            ([0.0, -INF, 0.0], 1, INF),
            ([-INF, -INF, -INF], 1, NAN),
            ([-INF, 0.0, -INF], 1, 0.0),
            ([1e308, -1e308, 0.0], 1, INF),
            ([-1e308, 1e308, -1e308], 1, 0.0),
        ],
    )
    @pytest.mark.parametrize("squared", [False, True])
    def test_table(self, preds, label, loss, squared):
        options = {"squared": squared}
        assert bits(hinge_loss([preds], [label], **options)) == bits(loss)
        # Far from the end of a long batch, other rows finite:
        rows = np.zeros((3000, *np.shape(preds)))
        rows[1234] = preds
        target = np.full(3000, label)
        value = loss if loss else expected(rows, target, squared)
        assert bits(hinge_loss(rows, target, **options)) == bits(value)

    @pytest.mark.parametrize("broken", [NAN, INF, -INF])
    def test_one_vs_all_stays_in_its_class(self, broken):
        preds = np.array([*CLASSES[1], [broken, 0.5, 0.5]])
        value = expected(preds, [*CLASSES[0], 1], mode="one-vs-all")
        found = hinge_loss(preds, [*CLASSES[0], 1], multiclass_mode="one-vs-all")
        assert bits(found) == bits(value)
        assert np.isfinite(found[1:]).all()

    def test_nan_beats_inf(self):
        assert np.isnan(hinge_loss([INF, NAN, 0.0], [0, 0, 0]))
        assert hinge_loss([INF, 0.0], [0, 0]) == INF

    def test_overflow(self):
        assert hinge_loss([-1e308, -1e308], [1, 1]) == 1e308
        assert hinge_loss([-1e308, -1e308], [1, 1], reduction="sum") == INF
        assert hinge_loss([-1e200], [1], True) == INF

    def test_no_cancelling_of_large_losses(self):
        """Naive sums lose the 1 next to 1e16."""
        assert hinge_loss([1 - 1e16, 0.0, 0.0], [1, 1, 1], reduction="sum") == 1e16 + 2


class TestWeights:
    def test_mean_is_of_the_weight(self):
        assert hinge_loss([0.5, 0.0], [1, 1], sample_weight=[3, 1]) == 0.625

    def test_sum_and_none_are_of_the_weighted_losses(self):
        options = {"sample_weight": [3, 0.5]}
        assert hinge_loss([0.5, 0.0], [1, 1], reduction="sum", **options) == 2.0
        none = hinge_loss([0.5, 0.0], [1, 1], reduction="none", **options)
        assert none.tolist() == [1.5, 0.5]

    @pytest.mark.parametrize("case", forms(500, weighted=(None,)), ids=name)
    def test_ones_change_nothing(self, case):
        for reduction in REDUCTIONS:
            ones = Case(case.preds, case.target, np.ones(500), case.squared, case.mode)
            assert bits(ones.loss(reduction)) == bits(case.loss(reduction))

    def test_an_exact_quotient(self):
        """0.1 is not a tenth: both sums have to be exact for ten of them to weigh nothing more."""
        weight = np.full(10, 0.1)
        assert hinge_loss(np.zeros(10), np.ones(10), sample_weight=weight) == 1.0

    @pytest.mark.parametrize("dtype", REALS)
    def test_dtypes(self, dtype):
        weight = np.array([0, 1, 1, 1]).astype(dtype)
        assert hinge_loss([9, 0.5, 0.5, 0.0], [0, 1, 1, 1], sample_weight=weight) == 2 / 3


class TestDtypes:
    @pytest.mark.parametrize(
        ("preds", "target", "loss"),
        [
            (np.array([200, 3], np.uint8), [0, 0], [201.0, 4.0]),
            (np.array([-128], np.int8), [0], [0.0]),
            (np.array([-128], np.int8), [1], [129.0]),
            (np.array([-(2**63)], np.int64), [0], [0.0]),
            (np.array([2**64 - 1], np.uint64), [0], [2.0**64]),
            (np.array([2**53 + 1], np.int64), [0], [2.0**53]),
            (np.array([-60000], np.float16), [1], [float(np.float16(60000)) + 1]),
            (np.array([0.1], np.float16), [1], [1 - float(np.float16(0.1))]),
            (np.array([True, False]), [1, 0], [0.0, 1.0]),
            (np.array([0.1], np.longdouble), [1], [0.9]),
            (np.array([[0, 255, 7]], np.uint8), [0], [256.0]),
            (np.array([[-128, 127]], np.int8), [0], [256.0]),
            (np.array([[-(2**63), 2**63 - 1]]), [0], [2.0**64]),
        ],
    )
    def test_traps(self, preds, target, loss):
        assert hinge_loss(preds, target, reduction="none").tolist() == loss
        repeated = hinge_loss(np.repeat(preds, 2000, axis=0), np.repeat(target, 2000))
        assert repeated == sum(loss) / len(loss)

    @pytest.mark.parametrize("dtype", [*REALS, "g", ">i4", ">f4", ">f8"])
    @pytest.mark.parametrize("mode", [None, *MODES])
    def test_target(self, dtype, mode):
        rng = np.random.default_rng(0)
        target = rng.integers(0, 2, 700)
        preds = rng.normal(size=700 if mode is None else (700, 2))
        found = hinge_loss(preds, target.astype(dtype), multiclass_mode=mode)
        assert bits(found) == bits(expected(preds, target, mode=mode))

    @pytest.mark.parametrize("dtype", [*(d for d in INTEGERS if d[0] == "i"), *FLOATS])
    def test_signed_target(self, dtype):
        rng = np.random.default_rng(0)
        preds, target = rng.normal(size=700), rng.choice([-1, 1], 700)
        found = hinge_loss(preds, target.astype(dtype))
        assert bits(found) == bits(expected(preds, target))

    @pytest.mark.parametrize("kind", [list, tuple, np.asarray, np.ma.asarray])
    def test_kinds(self, kind):
        assert bits(hinge_loss(kind(BINARY[1]), kind(BINARY[0]))) == bits(expected(*BINARY[::-1]))

    def test_memmap(self, tmp_path):
        rng = np.random.default_rng(0)
        preds, target = rng.normal(size=(5000, 3)), rng.integers(0, 3, 5000)
        np.save(tmp_path / "preds.npy", preds)
        mapped = np.load(tmp_path / "preds.npy", mmap_mode="r")
        assert bits(hinge_loss(mapped, target)) == bits(expected(preds, target))
