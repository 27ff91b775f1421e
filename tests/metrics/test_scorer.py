"""Sums that add, bits that stay, errors that name the place, and no score that is not finite."""

import json
import os
import pickle
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dambench_hub.errors import GridError, ScoreError
from dambench_hub.metrics import Scorer
from dambench_hub.metrics.spectra import WORST_DIVERGENCE


def scored(analysis, reference, **settings):
    scorer = Scorer(**settings)
    scorer.update(analysis, reference)
    return scorer


def numbers(scores):
    """Every number in nested scores, flat."""
    if isinstance(scores, dict):
        return [number for value in scores.values() for number in numbers(value)]
    if isinstance(scores, list):
        return [number for value in scores for number in numbers(value)]
    return [scores]


@pytest.fixture
def fields(rng):
    """12 samples, 2 channels: one like geopotential, one like humidity."""
    mean, std = np.array([5e5, 5e-3])[:, None, None], np.array([3e3, 2e-3])[:, None, None]
    reference = mean + std * rng.normal(size=(12, 2, 17, 32))
    analysis = reference + 0.1 * std * rng.normal(size=reference.shape)
    return analysis.astype("float32"), reference.astype("float32")


class TestSumsAdd:
    def test_any_batch_size_gives_the_same_bits(self, fields):
        analysis, reference = fields
        whole = scored(analysis, reference).compute()
        for size in 1, 5, 7:
            scorer = Scorer()
            for start in range(0, 12, size):
                scorer.update(analysis[start : start + size], reference[start : start + size])
            assert scorer.compute() == whole

    def test_any_split_and_order_gives_the_same_score(self, fields, rng):
        analysis, reference = fields
        whole = numbers(scored(analysis, reference).compute())
        for _ in range(5):
            order = rng.permutation(12)
            cuts = np.sort(rng.integers(0, 13, size=3))
            parts = [scored(analysis[part], reference[part]) for part in np.split(order, cuts)]
            total = parts[2] + parts[0] + (parts[3] + parts[1])
            np.testing.assert_allclose(numbers(total.compute()), whole, rtol=1e-12)

    def test_ensembles_add_too(self, rng):
        reference, members = rng.normal(size=(6, 1, 5, 8)), rng.normal(size=(6, 3, 1, 5, 8))
        parts = [scored(members[i : i + 2], reference[i : i + 2]) for i in (0, 2, 4)]
        whole = scored(members, reference).compute()
        np.testing.assert_allclose(
            numbers((parts[0] + parts[1] + parts[2]).compute()), numbers(whole), rtol=1e-12
        )

    def test_adding_leaves_both_sides_alone(self, fields):
        full, empty = scored(*fields), Scorer()
        before = full.compute()
        total = empty + full
        total.update(*fields)
        assert (len(total), len(full), len(empty)) == (24, 12, 0)
        assert full.compute() == before

    def test_a_scorer_travels_between_processes(self, fields):
        scorer = scored(*fields, channels=["z500", "q700"], std=[3e3, 2e-3])
        travelled = pickle.loads(pickle.dumps(scorer))
        assert travelled.compute() == scorer.compute()
        assert len(pickle.dumps(scorer)) < 10_000

    def test_per_sample_mse_is_in_order_and_its_mean_is_mse(self, fields):
        analysis, reference = fields
        std = np.array([3e3, 2e-3])
        first = scored(analysis[:5], reference[:5], std=std)
        scorer = first + scored(analysis[5:], reference[5:], std=std)
        error = (analysis.astype("float64") - reference) / std[:, None, None]
        np.testing.assert_allclose(scorer.per_sample_mse, (error**2).mean(axis=(1, 2, 3)))
        assert scorer.per_sample_mse.mean() == pytest.approx(scorer.compute()["mse"], rel=1e-12)
        assert Scorer().per_sample_mse.shape == (0,)

    def test_what_differs_does_not_add(self, fields, rng):
        a = scored(*fields)
        with pytest.raises(ScoreError, match="cannot join"):
            a + scored(*rng.normal(size=(2, 1, 2, 5, 8)))
        with pytest.raises(ScoreError, match="every sample must have the same members"):
            a.update(fields[0][:, None], fields[1])
        with pytest.raises(ScoreError, match="same std"):
            a + scored(*fields, std=[1.0, 2.0])
        with pytest.raises(ScoreError, match="other latitudes"):
            Scorer(latitude=np.linspace(80, -80, 17), sums=a.sums)

    def test_memory_does_not_grow_with_samples(self, fields):
        scorer = scored(*fields)
        tracemalloc.start()
        for _ in range(50):
            scorer.update(*fields)
        grown, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert grown < 600 * 1000  # one number per sample and channel, and its array
        assert peak - grown < 400_000


class TestSameValuesSameBits:
    def test_the_container_does_not_matter(self, fields):
        analysis, reference = fields
        expected = scored(analysis, reference).compute()
        big_endian = analysis.astype(">f4")
        strided = np.asfortranarray(np.repeat(analysis, 2, axis=-1))[..., ::2]
        unaligned = np.frombuffer(b"." + analysis.tobytes(), "u1")[1:].view("<f4")
        for same in (
            analysis.astype("float64"),
            big_endian,
            strided,
            unaligned.reshape(analysis.shape),
            analysis.tolist(),
        ):
            assert scored(same, reference).compute() == expected

    def test_repeats_do_not_matter(self, fields):
        first, *others = [scored(*fields).compute() for _ in range(10)]
        assert all(other == first for other in others)

    def test_the_number_of_threads_does_not_matter(self):
        program = (
            "import numpy as np; from dambench_hub.metrics import Scorer;"
            "a, r = np.random.default_rng(0).normal(size=(2, 2, 2, 121, 240)); s = Scorer();"
            "s.update(a, r); print(repr(s.compute()))"
        )
        printed = {
            subprocess.run(
                [sys.executable, "-c", program],
                env=os.environ | {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads},
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            for threads in ("1", "2")
        }
        assert len(printed) == 1

    def test_no_torch_is_imported(self):
        program = "import sys, dambench_hub.metrics; assert 'torch' not in sys.modules"
        subprocess.run([sys.executable, "-c", program], check=True)


class TestLabels:
    """xarray's arrays say what their axes are, and are not scored as something else."""

    @pytest.fixture
    def labelled(self, fields):
        coordinates = {
            "time": np.datetime64("2024-01-01", "ns") + np.arange(12) * np.timedelta64(1, "D"),
            "channel": ["z500", "q700"],
            "latitude": np.linspace(90, -90, 17),
            "longitude": np.arange(32) * 11.25,
        }
        return [xr.DataArray(field, coordinates) for field in fields]

    CHANGES = {
        "flipped": lambda a: a.isel(latitude=slice(None, None, -1)),
        "from -180": lambda a: a.assign_coords(longitude=a.longitude - 180).roll(longitude=16),
        "shifted": lambda a: a.roll(longitude=5, roll_coords=True),
        "channels": lambda a: a.isel(channel=[1, 0]),
        "transposed": lambda a: a.transpose("time", "channel", "longitude", "latitude"),
    }

    @pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
    def test_axes_that_are_others_are_refused(self, labelled, change):
        analysis, reference = labelled
        names = ["z500", "q700"]
        wanted = scored(*[field.values for field in labelled], channels=names).compute()
        assert scored(analysis, reference, channels=names).compute() == wanted
        assert scored(analysis.values, reference, channels=names).compute() == wanted
        for pair in (
            (change(analysis), reference),
            (analysis, change(reference)),
            (change(analysis), reference.values),
            (analysis.values, change(reference)),
        ):
            with pytest.raises(ScoreError, match="wanted"):
                scored(*pair, channels=names)

    def test_both_may_run_from_south_to_north(self, labelled):
        mirrored = [field.isel(latitude=slice(None, None, -1)) for field in labelled]
        southern, northern = scored(*mirrored).compute(), scored(*labelled).compute()
        assert southern["mse"] == pytest.approx(northern["mse"])
        assert southern["rmse"] == pytest.approx(northern["rmse"])

    def test_another_grid_has_to_be_given(self, labelled):
        latitude = 88.0 - 11 * np.arange(17)
        without_poles = [field.assign_coords(latitude=latitude) for field in labelled]
        with pytest.raises(ScoreError, match="unless latitude="):
            scored(*without_poles)
        assert len(scored(*without_poles, latitude=latitude)) == 12

    def test_other_times_are_refused(self, labelled):
        analysis, reference = labelled
        with pytest.raises(ScoreError, match="analysis has the time 2024-01-12.*wanted 2024-01-01"):
            scored(analysis.isel(time=slice(None, None, -1)), reference)

    def test_members_are_told_from_channels(self, labelled):
        members = xr.concat([labelled[0]] * 2, "member")
        reference = labelled[1]
        scored(members.transpose("time", "member", ...), reference)
        with pytest.raises(ScoreError, match=r"dimensions \(time, channel, member.*transpose"):
            scored(members.transpose("time", "channel", "member", ...), reference)

    def test_names_of_dimensions_may_differ(self, labelled):
        analysis, reference = labelled
        names = {"latitude": "lat", "longitude": "lon", "time": "step", "channel": "variable"}
        assert len(scored(analysis.rename(names), reference)) == 12


class TestWrongInput:
    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_one_value_that_is_not_finite_is_an_error(self, fields, value):
        analysis, reference = fields
        analysis[7, 1, 3, 20] = value
        scorer = Scorer(channels=["z500", "q700"])
        scorer.update(analysis[:4], reference[:4])
        place = (
            r"analysis has 1 values .*sample 3 of this batch \(7 in all\).*'q700'.*row 3.*column 20"
        )
        with pytest.raises(ScoreError, match=place):
            scorer.update(analysis[4:], reference[4:])
        assert len(scorer) == 4, "a batch with an error must not be added in part"

    def test_the_reference_is_checked_too(self, fields):
        analysis, reference = fields
        reference[0, 0, 0, 0] = analysis[0, 0, 0, 0] = np.nan
        with pytest.raises(ScoreError, match="The reference has 1 values"):
            scored(analysis, reference)

    def test_a_bad_member_is_named(self, rng):
        members = rng.normal(size=(1, 3, 1, 5, 8))
        members[0, 1, 0, 4, 7], members[0, 2, 0, 4, 7] = np.inf, -np.inf
        with pytest.raises(ScoreError, match="member 1, latitude row 4, longitude column 7"):
            scored(members, rng.normal(size=(1, 1, 5, 8)))

    @pytest.mark.parametrize("fill", [1e20, -1e20, 9.96921e36, 3.4e38, -1e34, 1e200])
    def test_a_single_fill_value_is_named(self, fields, fill):
        dtype = "f8" if fill == 1e200 else "f4"
        for index, name in enumerate(("analysis", "reference")):
            pair = [field.astype(dtype) for field in fields]
            pair[index][7, 1, 3, 20] = fill
            place = f"The {name} has 1 values that are fill values in sample 7.*row 3.*column 20"
            with pytest.raises(ScoreError, match=place):
                scored(*pair)

    def test_large_values_are_scored(self):
        zeros = np.zeros((1, 1, 5, 8))
        assert scored(zeros + 9e19, zeros).compute()["mse"] == pytest.approx(8.1e39)

    @pytest.mark.parametrize(
        ("analysis", "reference"),
        [
            ((2, 1, 5, 8), (3, 1, 5, 8)),
            ((2, 1, 5, 8), (2, 1, 5, 9)),
            ((1, 5, 8), (1, 5, 8)),
            ((2, 1, 5, 8), (2, 3, 1, 5, 8)),
            ((2, 0, 1, 5, 8), (2, 1, 5, 8)),
        ],
    )
    def test_shapes_that_do_not_fit(self, analysis, reference):
        with pytest.raises(ScoreError, match="do not fit. Wanted: reference"):
            scored(np.zeros(analysis), np.zeros(reference))

    def test_counts_of_channels_that_differ(self):
        with pytest.raises(ScoreError, match="2 names, 3 values of std"):
            Scorer(channels=["t850", "z500"], std=[1.0, 2.0, 3.0])
        with pytest.raises(ScoreError, match="1 channels, but 2 channel names"):
            scored(np.zeros((1, 1, 5, 8)), np.zeros((1, 1, 5, 8)), channels=["a", "b"])

    @pytest.mark.parametrize("std", [[0.0], [-1.0], [np.nan], [np.inf], [1e-40], 1.0])
    def test_std_that_is_not_positive(self, std):
        with pytest.raises(ScoreError, match="std must be one positive number per channel"):
            Scorer(std=std)

    def test_other_settings(self):
        with pytest.raises(ScoreError, match="t850 appears twice"):
            Scorer(channels=["t850", "t850"])
        with pytest.raises(GridError):
            Scorer(latitude=[100.0, 0.0])
        with pytest.raises(ScoreError, match="Was a pole dropped"):
            zeros = np.zeros((1, 1, 5, 8))
            scored(zeros, zeros, latitude=[60.0, 30.0, 0.0, -30.0])

    @pytest.mark.parametrize(
        "values",
        [np.zeros((1, 1, 5, 8), complex), np.zeros((1, 1, 5, 8), bool), [["a"]], [[1], [1, 2]]],
        ids=["complex", "bool", "text", "ragged"],
    )
    def test_things_that_are_not_real_numbers(self, values):
        with pytest.raises(ScoreError, match="real numbers|cannot be read"):
            Scorer().update(values, np.zeros((1, 1, 5, 8)))

    def test_masked_values_are_not_filled(self):
        zeros = np.zeros((1, 1, 5, 8))
        with pytest.raises(ScoreError, match="masked"):
            Scorer().update(np.ma.masked_equal(zeros, 0), zeros)
        for name in ("analysis", "reference"):
            masked = [[np.ma.masked_equal(zeros[0, 0], 0)]]
            pair = (masked, zeros) if name == "analysis" else (zeros, masked)
            with pytest.raises(ScoreError, match=f"{name} has masked"):
                Scorer().update(*pair)
        with pytest.raises(ScoreError, match="latitude has masked"):
            Scorer(latitude=np.ma.masked_equal([90.0, 0.0, -90.0], 0))
        Scorer().update(np.ma.array(zeros), zeros)  # nothing is masked

    def test_nothing_added(self):
        empty = np.zeros((0, 1, 5, 8))
        for scorer in Scorer(), scored(empty, empty):
            with pytest.raises(ScoreError, match="nothing to score yet"):
                scorer.compute()


# Subnormal numbers, large ones, constants and ordinary fields alike.
finite = st.floats(-(2.0**66), 2.0**66, width=32)


@settings(max_examples=200, deadline=None)
@given(
    fields=st.tuples(*[arrays("float32", (2, 1, 5, 6), elements=finite)] * 2),
    std=st.floats(1e-30, 1e30),
)
def test_finite_input_has_finite_scores_and_never_beats_the_truth(fields, std):
    analysis, reference = fields
    scores = scored(analysis, reference, std=[std]).compute()
    truth = scored(reference, reference, std=[std]).compute()
    json.dumps(scores, allow_nan=False)
    assert np.all(np.abs(numbers(scores)) < 1e300)
    for name in "mse", "mae", "specdiv", "specres":
        assert truth[name] == 0 <= scores[name]
    for name in "rmse", "rmse_pooled":
        assert truth[name]["c0"] == 0 <= scores[name]["c0"]
    assert scores["specdiv"] <= WORST_DIVERGENCE + 1e-9


@settings(max_examples=100, deadline=None)
@given(
    reference=arrays("float32", (1, 1, 3, 4), elements=finite),
    members=arrays("float32", (1, 3, 1, 3, 4), elements=finite),
)
def test_finite_ensembles_have_finite_scores(reference, members):
    scores = scored(members, reference).compute()
    json.dumps(scores, allow_nan=False)
    assert np.all(np.abs(numbers(scores)) < 1e300)
    assert scores["crps"]["c0"] >= 0
    assert sum(scores["rank_histogram"]["c0"]) == pytest.approx(1)


@settings(max_examples=100, deadline=None)
@given(st.tuples(*[arrays("float64", (1, 1, 5, 6), elements=st.floats())] * 2))
def test_any_doubles_have_finite_scores_or_an_error(fields):
    try:
        scores = scored(*fields).compute()
    except ScoreError:
        return
    json.dumps(scores, allow_nan=False)
