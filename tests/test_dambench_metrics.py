"""The `evaluate` module: found by name or path, offline; sums batches; its card runs."""

import ast
import importlib.util
import json
import os
import re
import subprocess
import sys
import textwrap
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import yaml

import dambench_hub
from dambench_hub.cli.install_metric import install_metric
from dambench_hub.errors import ScoreError
from dambench_hub.metrics import SCORER_VERSION, Scorer

evaluate = pytest.importorskip("evaluate")
FOLDER = Path(dambench_hub.__file__).parent / "dambench_metrics"


@pytest.fixture(scope="module")
def caches(tmp_path_factory):
    """Caches of their own for these tests, also in this process."""
    folder = tmp_path_factory.mktemp("hf")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate.config, "HF_MODULES_CACHE", folder / "modules")
        patch.setattr(evaluate.config, "HF_METRICS_CACHE", folder / "metrics")
        patch.setattr(evaluate.config, "HF_EVALUATE_OFFLINE", True)
        patch.syspath_prepend(str(folder / "modules"))
        yield folder


@pytest.fixture
def load(caches):
    def load(**settings):
        return evaluate.load(str(FOLDER), **settings)

    return load


@pytest.fixture
def fields(rng):
    reference = rng.normal(size=(6, 2, 17, 32)).astype("float32")
    return reference + rng.normal(size=reference.shape).astype("float32"), reference


def run_elsewhere(folder, program):
    """Run a program from an empty folder, offline, with an empty cache in it."""
    environment = os.environ | {
        "HF_HOME": str(folder / "hf"),
        "HF_MODULES_CACHE": str(folder / "hf" / "modules"),
        "HF_EVALUATE_OFFLINE": "1",
        "HF_HUB_OFFLINE": "1",
        "PYTHONPATH": str(Path(dambench_hub.__file__).parents[1]),
    }
    work = folder / "work"
    work.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=work,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_bare_name_loads_from_any_folder_after_install(tmp_path):
    printed = run_elsewhere(
        tmp_path,
        """
        import json
        import evaluate, numpy as np
        from dambench_hub.cli.install_metric import install_metric

        try:
            evaluate.load("dambench_metrics")
        except FileNotFoundError:
            print("absent")
        assert install_metric() == install_metric()
        metric = evaluate.load("dambench_metrics")
        reference = np.zeros((2, 1, 33, 64), "float32")
        print(json.dumps(metric.compute(predictions=reference + 2, references=reference)))
        """,
    )
    absent, scores = printed.splitlines()
    assert absent == "absent"
    assert json.loads(scores)["rmse"] == {"c0": 2.0}


def test_what_the_card_and_the_description_show_runs(tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", (FOLDER / "README.md").read_text(), re.DOTALL)
    assert len(blocks) >= 4
    program = [
        "from dambench_hub.cli.install_metric import install_metric",
        "install_metric()",
        *blocks,
        "import doctest",
        "examples = doctest.DocTestParser().get_doctest(",
        "    metric.inputs_description, {'evaluate': evaluate}, 'inputs', None, None)",
        "assert examples.examples and not doctest.DocTestRunner().run(examples).failed",
    ]
    run_elsewhere(tmp_path, "\n".join(program))


def test_install_fills_the_cache_of_evaluate(caches):
    installed = install_metric()
    assert installed.read_bytes() == (FOLDER / "dambench_metrics.py").read_bytes()
    assert caches / "modules" in installed.parents
    assert len(installed.parent.name) == 64


def test_it_gives_the_scores_of_scorer(load, fields):
    analysis, reference = fields
    settings = {"channels": ["z500", "t850"], "std": [2.0, 3.0]}
    scorer = Scorer(**settings)
    scorer.update(analysis, reference)
    expected = scorer.compute() | {"scorer_version": SCORER_VERSION}
    metric = load()
    assert metric.compute(predictions=analysis, references=reference, **settings) == expected
    assert load(**settings).compute(predictions=analysis, references=reference) == expected
    json.dumps(expected, allow_nan=False)


def test_batches_and_single_samples_are_summed(load, fields):
    analysis, reference = fields
    metric = load()
    whole = metric.compute(predictions=analysis, references=reference, std=[2.0, 3.0])
    metric.add_batch(predictions=analysis[:2], references=reference[:2])
    metric.add(prediction=analysis[2], reference=reference[2])
    assert len(metric) == 3
    last = metric.compute(predictions=analysis[3:], references=reference[3:], std=[2.0, 3.0])
    assert last["mse"] == pytest.approx(whole["mse"], rel=1e-12)
    assert last["rmse"] == pytest.approx(whole["rmse"], rel=1e-12)
    assert len(metric) == 0


def test_members_are_scored(load, fields):
    analysis, reference = fields
    members = np.stack([analysis, analysis + 1], axis=1)
    metric = load()
    for members_of, reference_of in zip(members, reference, strict=True):
        metric.add(prediction=members_of, reference=reference_of)
    assert set(metric.compute()) > {"crps", "spread_skill", "rank_histogram"}


def test_what_comes_with_a_batch_is_scored(load, fields, rng):
    analysis, reference = fields
    members = np.stack([analysis, analysis + 1], axis=1)
    given = {
        "backgrounds": reference + 1,
        "observed": rng.random((len(reference), *reference.shape[2:])) < 0.1,
        "ensembles": members,
    }
    metric = load(channels=["z500", "t850"])
    whole = metric.compute(references=reference, **given)
    assert whole.keys() >= {"skill", "rmse_by_distance", "crps", "mse_infinite_ensemble"}
    metric.add_batch(references=reference[:2], **{name: v[:2] for name, v in given.items()})
    names = {"backgrounds": "background", "observed": "observed", "ensembles": "ensemble"}
    for n in range(2, len(reference)):
        metric.add(reference=reference[n], **{names[name]: v[n] for name, v in given.items()})
    again = metric.compute()
    assert again["skill"] == pytest.approx(whole["skill"], rel=1e-9)
    assert again["rmse_by_distance"]["at"] == pytest.approx(whole["rmse_by_distance"]["at"])
    stds = np.ones_like(reference)
    gaussian = metric.compute(predictions=analysis, references=reference, stds=stds)
    assert gaussian["crps"]["t850"] > 0 and "skill" not in gaussian


def test_latitudes_come_before_the_first_batch(load, fields):
    analysis, reference = fields
    latitude = np.linspace(85, -85, 17)
    expected = load().compute(predictions=analysis, references=reference, latitude=latitude)
    metric = load(latitude=latitude)
    metric.add_batch(predictions=analysis, references=reference)
    assert metric.compute(latitude=latitude) == expected
    metric = load()
    metric.add_batch(predictions=analysis, references=reference)
    assert metric.compute(latitude=np.linspace(90, -90, 17))["mse"] == expected["mse"]
    metric.add_batch(predictions=analysis, references=reference)
    with pytest.raises(ScoreError, match=r"evaluate.load\(.*latitude="):
        metric.compute(latitude=latitude)
    assert len(metric) == 6, "an error must not lose what was added"


def test_wrong_input_is_explained(load, fields):
    analysis, reference = fields
    metric = load()
    with pytest.raises(ScoreError, match="do not fit"):
        metric.add_batch(predictions=analysis[..., :-1], references=reference)
    with pytest.raises(ScoreError, match="needs both"):
        metric.compute(predictions=analysis)
    with pytest.raises(ScoreError, match="nothing to score yet"):
        metric.compute()
    with pytest.raises(ScoreError, match="2 channels in the fields|2 channels, but 1"):
        metric.compute(predictions=analysis, references=reference, channels=["z500"])
    with pytest.raises(ScoreError, match="scorers add"):
        load(num_process=2, process_id=0, experiment_id="x")
    with pytest.raises(TypeError, match="chanels"):
        metric.compute(predictions=analysis, references=reference, chanels=["a", "b"])


def test_masks_and_labels_are_not_lost(load, fields):
    analysis, reference = fields
    masked = [np.ma.masked_less(field, field.mean()) for field in analysis]
    names = ("sample", "channel", "latitude", "longitude")
    latitude = np.linspace(90, -90, reference.shape[-2])
    labelled = [xr.DataArray(field, {"latitude": latitude}, names) for field in fields]
    flipped = labelled[0].isel(latitude=slice(None, None, -1))
    load().add_batch(predictions=labelled[0], references=labelled[1])
    load().add(prediction=labelled[0][0], reference=labelled[1][0])
    for predictions, references, words in (
        (masked, reference, "masked"),
        (flipped, labelled[1], "latitude -90"),
        (flipped, reference, "latitude -90"),
    ):
        with pytest.raises(ScoreError, match=words):
            load().compute(predictions=predictions, references=references)
        with pytest.raises(ScoreError, match=words):
            load().add_batch(predictions=predictions, references=references)
        with pytest.raises(ScoreError, match=words):
            load().add(prediction=predictions[0], reference=references[0])


def test_tensors_lists_and_small_floats_are_read(load, fields):
    torch = pytest.importorskip("torch")
    analysis, reference = (np.round(field, 1).astype("float16") for field in fields)
    expected = load().compute(predictions=analysis, references=reference)
    assert load().compute(predictions=analysis.tolist(), references=reference) == expected
    tensors = torch.from_numpy(analysis), torch.from_numpy(reference)
    assert load().compute(predictions=tensors[0], references=tensors[1]) == expected
    for unreadable in tensors[0].bfloat16(), tensors[0].float().requires_grad_():
        with pytest.raises(ScoreError, match="tensor.detach"):
            load().compute(predictions=unreadable, references=reference)


def test_memory_does_not_grow_and_nothing_is_written(load, rng, caches):
    analysis, reference = rng.normal(size=(2, 4, 2, 61, 120)).astype("float32")
    metric = load()
    metric.add_batch(predictions=analysis, references=reference)
    tracemalloc.start()
    for _ in range(50):
        metric.add_batch(predictions=analysis, references=reference)
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 0.01 * 50 * (analysis.nbytes + reference.nbytes)
    assert not list((caches / "metrics").rglob("*.arrow"))


def test_the_card_has_the_header_of_a_space():
    header = yaml.safe_load((FOLDER / "README.md").read_text().split("---")[1])
    assert header["title"] == "dambench_metrics" and header["app_file"] == "app.py"
    assert header["sdk"] == "gradio" and set(header["tags"]) == {"evaluate", "metric"}


def test_the_card_names_every_score(load, fields):
    analysis, reference = fields
    scores = load().compute(predictions=analysis[:, None], references=reference)
    card = (FOLDER / "README.md").read_text()
    assert [name for name in scores if f"`{name}" not in card] == []


@pytest.fixture(scope="module")
def app():
    spec = importlib.util.spec_from_file_location("dambench_metrics_app", FOLDER / "app.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_app_needs_gradio_only_when_built():
    tree = ast.parse((FOLDER / "app.py").read_text())
    imported = [ast.unparse(node) for node in tree.body if isinstance(node, ast.Import)]
    assert not any("gradio" in line for line in imported)


def test_the_app_scores_its_example_and_files(app, tmp_path):
    analysis, reference = app.example_fields()
    rows, overall = app.score_table(analysis, reference, "z500, t850", "1500, 8")
    assert [row[0] for row in rows] == ["z500", "t850"] and len(rows[0]) == len(app.HEADERS)
    assert 0.005 < overall["mse"] < 0.02
    np.save(tmp_path / "analysis.npy", analysis)
    again, _ = app.score_table(
        app.read_field(str(tmp_path / "analysis.npy"), "analysis"), reference, "z500,t850", "1500,8"
    )
    assert again == rows
    (tmp_path / "text.npy").write_text("no array")
    for path in None, str(tmp_path / "text.npy"), str(tmp_path / "absent.npy"):
        with pytest.raises(ScoreError, match="npy file"):
            app.read_field(path, "analysis")
    with pytest.raises(ScoreError, match="numbers separated by commas"):
        app.score_table(analysis, reference, "", "a, b")


def test_the_app_builds(app):
    pytest.importorskip("gradio", reason="gradio is not installed (extra `app`)")
    endpoints = app.build().get_api_info()["named_endpoints"]
    assert len(endpoints["/score"]["parameters"]) == 4 and not endpoints["/example"]["parameters"]
    for endpoint in endpoints.values():
        table, overall = (shown["component"] for shown in endpoint["returns"])
        assert (table, overall) == ("Dataframe", "Json")
