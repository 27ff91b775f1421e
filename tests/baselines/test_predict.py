"""baselines/predict.py: from a method's name to a file that can be scored."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from dambench_hub.batch import Analysis
from dambench_hub.models import Assimilator
from dambench_hub.scoring import score

SCRIPT = Path(__file__).parents[2] / "baselines" / "predict.py"
SPEC = importlib.util.spec_from_file_location("predict", SCRIPT)
predict = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(predict)


@pytest.fixture
def run(tiny_folder, tmp_path, capsys):
    def run(method, *options, out="x.nc", data=tiny_folder):
        arguments = [method, "--data", str(data), "--out", str(tmp_path / out), *options]
        code = predict.main(arguments)
        return code, capsys.readouterr().err

    return run


@pytest.mark.parametrize("out", ["x.nc", "x.safetensors"])
def test_the_background_is_the_background(run, tiny_data, tmp_path, out):
    assert run("background", out=out)[0] == 0
    result = score(tmp_path / out, tiny_data)
    assert result.task == "multimodal"
    assert result.attributes == {"model_name": "background"}
    errors = [
        tiny_data.background("test", i).astype("f8") - tiny_data.reference("test", i)
        for i in range(5)
    ]
    mse = np.mean((np.array(errors) / tiny_data.statistics.std[:, None, None]) ** 2)
    assert result.main_score == pytest.approx(mse, rel=1e-9)


def test_optimal_interpolation_is_fitted_and_better(run, tiny_data, tmp_path):
    for method in "background", "optimal_interpolation":
        assert run(method, "--task", "density-20", out=f"{method}.nc")[0] == 0
    background, analysis = (
        score(tmp_path / f"{method}.nc", tiny_data).main_score
        for method in ("background", "optimal_interpolation")
    )
    assert analysis < 0.9 * background


def test_the_batch_size_changes_nothing(run, tiny_data, tmp_path):
    for size in "1", "3":
        assert run("optimal_interpolation", "--batch-size", size, out=f"{size}.nc")[0] == 0
    one, three = (score(tmp_path / f"{size}.nc", tiny_data).main_score for size in "13")
    assert one == pytest.approx(three, rel=1e-6)


def test_a_method_never_sees_the_reference(run, monkeypatch):
    class Curious(Assimilator):
        name = "curious"

        def assimilate(self, batch, generator=None):
            assert batch.reference is None
            return Analysis(batch.background)

    monkeypatch.setattr(predict, "load_method", lambda name, training: Curious())
    assert run("curious")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["optimal_interpolaton"], "Did you mean 'optimal_interpolation'"),
        (["background", "--task", "unimodl"], "Did you mean 'unimodal'"),
        (["background", "--batch-size", "0"], "batch_size is at least 1"),
    ],
)
def test_mistakes_are_told(run, tmp_path, arguments, words):
    code, err = run(*arguments)
    assert code == 1
    assert words in err
    assert list(tmp_path.iterdir()) == []


def test_no_data_set(run, tmp_path):
    code, err = run("background", data=tmp_path / "nowhere")
    assert (code, "No data set in" in err) == (1, True)
    with pytest.raises(SystemExit, match="2"):
        predict.main([])


def test_an_existing_file_is_kept_unless_told(run, tmp_path):
    (tmp_path / "x.nc").write_text("precious")
    code, err = run("background")
    assert (code, "--overwrite" in err) == (1, True)
    assert (tmp_path / "x.nc").read_text() == "precious"
    assert run("background", "--overwrite")[0] == 0
    assert (tmp_path / "x.nc").read_bytes().startswith(b"\x89HDF")
