"""The wheel: one name, everything that it needs inside, and no torch until a model is used."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    if int(version("setuptools").split(".")[0]) < 77:
        pytest.skip("building needs setuptools 77 or newer in this environment")
    copy = tmp_path_factory.mktemp("source")  # so that no build/ is left in the checkout
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    shutil.copytree(ROOT / "dambench_hub", copy / "dambench_hub")
    for other in ("tests", "builders", "baselines", "benchmarks", "leaderboard_app"):
        (copy / other).mkdir()
        (copy / other / "module.py").write_text("")
    run = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", "dist"],
        cwd=copy,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    (path,) = (copy / "dist").glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def test_one_top_level_name(installed):
    names = {path.name for path in installed.iterdir()}
    assert {name for name in names if not name.endswith(".dist-info")} == {"dambench_hub"}


def test_every_file_of_the_package_is_inside(installed):
    source = {
        path.relative_to(ROOT)
        for path in (ROOT / "dambench_hub").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    inside = {path.relative_to(installed) for path in (installed / "dambench_hub").rglob("*.*")}
    assert {path for path in inside if (installed / path).is_file()} == source
    for name in ("py.typed", "building/dataset_card.md", "tasks/multimodal.yaml"):
        assert Path("dambench_hub", name) in source
    assert Path("dambench_hub/dambench_metrics/dambench_metrics.py") in source


def test_names_and_licence(installed):
    (info,) = installed.glob("*.dist-info")
    metadata = (info / "METADATA").read_text()
    assert "Name: dambench-hub" in metadata and "License-Expression: Apache-2.0" in metadata
    assert "dambench = dambench_hub.cli:main" in (info / "entry_points.txt").read_text()
    assert list(info.rglob("LICENSE"))
    required = [
        line for line in metadata.splitlines() if line.startswith("Requires-Dist: ")
        and "extra ==" not in line
    ]  # fmt: skip
    assert not any("torch" in line or "gradio" in line or "jcm" in line for line in required)


IMPORT = """
import json, sys
import dambench_hub
after = {}
modules = (".metrics", ".scoring.evaluation", ".predictions.validation", ".building.builder")
for below in ("", *modules):
    name = "dambench_hub" + below
    __import__(name)
    unwanted = {"torch", "jax", "gradio", "accelerate", "jcm", "matplotlib"}
    after[name] = sorted(unwanted & set(sys.modules))
    if name == "dambench_hub":
        after["heavy"] = sorted({"datasets", "pyarrow", "xarray", "scipy"} & set(sys.modules))
from dambench_hub import load_task, task_names
from dambench_hub.building import card
print(json.dumps({
    "after": after,
    "file": dambench_hub.__file__,
    "version": dambench_hub.__version__,
    "tasks": [load_task(name).name for name in task_names()],
    "card": len(card.files("dambench_hub.building").joinpath("dataset_card.md").read_text("utf-8")),
}))
"""


@pytest.fixture(scope="module")
def imported(installed):
    run = subprocess.run(
        [sys.executable, "-W", "error::ImportWarning", "-c", IMPORT],
        cwd=installed,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    return json.loads(run.stdout)


def test_the_installed_package_works_alone(imported, installed, wheel):
    assert Path(imported["file"]).is_relative_to(installed)
    assert wheel.name.startswith(f"dambench_hub-{imported['version']}-")
    tasks = {path.stem for path in (ROOT / "dambench_hub" / "tasks").glob("*.yaml")}
    assert set(imported["tasks"]) == tasks
    assert imported["card"] > 1000


@pytest.mark.parametrize(
    "module",
    [
        "dambench_hub",
        "dambench_hub.metrics",
        "dambench_hub.scoring.evaluation",
        "dambench_hub.predictions.validation",
        "dambench_hub.building.builder",
    ],
)
def test_no_torch_until_a_model_is_used(imported, module):
    assert imported["after"][module] == []


def test_importing_the_package_alone_is_light(imported):
    assert imported["after"]["heavy"] == []


def test_public_names_exist():
    import dambench_hub

    for name in set(dambench_hub.__all__) - {"__version__"}:
        assert getattr(dambench_hub, name).__name__ == name
    with pytest.raises(AttributeError, match="No dambench_hub attribute lod_data"):
        dambench_hub.lod_data  # noqa: B018
