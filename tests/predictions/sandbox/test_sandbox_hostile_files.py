"""All hostile files: each is judged as it should be, in the sandbox as at home; none leaks."""

import json
import os
import random
import re
import resource
import signal
import subprocess
import sys
from functools import partial

import h5py
import hostile_files as hostile
import numpy as np
import pytest

from dambench_hub.data.batch import Analysis
from dambench_hub.errors import PredictionError
from dambench_hub.predictions.reader import CONTAINERS, open_prediction
from dambench_hub.predictions.sandbox.parent import UNREADABLE, ReadingLimits, open_sandboxed
from dambench_hub.predictions.validation import MAX_LENGTH, MAX_PROBLEMS, reading_problems, validate
from dambench_hub.predictions.writer import write_predictions

CANARY = "canary-3f9c1d"
SHOWN = re.compile(rf"{CANARY}|/tmp/|/proc/|site-packages|Traceback|0x[0-9a-f]{{6}}|root:x|42\.42")
"""Of the machine, of the libraries and of the secret; none may stand in a message."""
ONLY_SANDBOXED = [case for case in hostile.CASES if case.unsafe]
AT_HOME = [case for case in hostile.CASES if not case.unsafe]
SAMPLE = [case for case in ONLY_SANDBOXED if "cut" not in case.name] + AT_HOME[::40]


@pytest.fixture(scope="module")
def example(tiny_data, tmp_path_factory):
    """Good files, and secrets beside them: a file, and a variable of the environment."""
    folder = tmp_path_factory.mktemp("good")
    for name in ("x.nc", "x.safetensors"):
        analyses = (Analysis(batch.background) for batch in tiny_data.batches("multimodal"))
        write_predictions(
            folder / name, analyses, task="multimodal", data=tiny_data, model_name="background"
        )
    good = (folder / "x.nc").read_bytes()
    secrets = tmp_path_factory.mktemp(CANARY)
    (secrets / "secret.nc").write_bytes(good)
    with h5py.File(secrets / "secret.nc", "a") as root:
        root["analysis"][...] = hostile.SECRET
    np.full(hostile.SHAPE, hostile.SECRET, "<f4").tofile(secrets / "secret.bin")
    os.environ["DAMBENCH_CANARY"] = CANARY
    yield hostile.Example(folder / "x.nc", good, (folder / "x.safetensors").read_bytes(), secrets)
    del os.environ["DAMBENCH_CANARY"]


def require_right(case, problems):
    """The verdict is as it should be, the words are there, and nothing else is shown."""
    assert case.verdict in ("either", "reject" if problems else "accept"), problems
    assert not problems or any(re.search(case.words, text) for text in problems), problems
    assert len(problems) <= MAX_PROBLEMS
    for text in problems:
        assert len(text) <= MAX_LENGTH
        assert text.isprintable()
        assert not SHOWN.search(text.replace("'../../etc/passwd'", "")), text


def test_names_of_cases_are_unique():
    names = [case.name for case in hostile.CASES]
    assert len(set(names)) == len(names) > 300


@pytest.mark.parametrize("case", AT_HOME, ids=lambda case: case.name)
def test_a_file_is_judged(example, tiny_data, tmp_path, case):
    require_right(case, validate(case.write(tmp_path, example), tiny_data, "multimodal"))


@pytest.mark.parametrize("case", SAMPLE, ids=lambda case: case.name)
def test_a_file_is_judged_in_the_sandbox(example, tiny_data, tmp_path, case):
    path = case.write(tmp_path, example)
    sandboxed = partial(open_sandboxed, limits=ReadingLimits(cpu_seconds=1, wait_seconds=20))
    problems = validate(path, tiny_data, "multimodal", sandboxed)
    if problems != [UNREADABLE] or "heap" not in case.name:
        require_right(case, problems)
    if not case.unsafe:
        assert problems == validate(path, tiny_data, "multimodal")


READ_ALL = """
import json, sys
from contextlib import ExitStack
from dambench_hub.predictions.sandbox import child, restrictions
from dambench_hub.errors import PredictionError
from dambench_hub.predictions.reader import CONTAINERS, read_prediction

files = [open(path, "rb") for path in sys.argv[1:]]
child.warm_up()
restrictions.restrict(2 << 30, 60)
outcomes = []
for file in files:
    try:
        with ExitStack() as stack:
            container = CONTAINERS[file.name[file.name.rindex("."):]]
            header, rows = read_prediction(file, container, stack)
            plain = header.dtype == "<f4" and len(header.shape) == 4
            outcomes.append([header.to_dict(), rows(0)[1][0].tolist() if plain else None])
    except PredictionError as error:
        outcomes.append(str(error))
print(json.dumps(outcomes))
"""


def test_one_sandboxed_process_reads_all_as_at_home(example, tmp_path):
    """Nothing that some file needs is loaded only after the restrictions."""
    paths = []
    for number, case in enumerate(case for case in AT_HOME if case.suffix in CONTAINERS):
        paths.append(tmp_path / f"{number}{case.suffix}")
        case.write(tmp_path, example).rename(paths[-1])
    command = [sys.executable, "-I", "-c", READ_ALL, *paths]
    restricted = subprocess.run(command, capture_output=True, env={}, timeout=100)
    assert restricted.returncode == 0, restricted.stderr
    for path, outcome in zip(paths, json.loads(restricted.stdout), strict=True):
        try:
            with open_prediction(path) as prediction:
                header, values = outcome
                assert json.dumps(header) == json.dumps(prediction.header.to_dict())
                if values:
                    assert np.array_equal(values, prediction[0], equal_nan=True)
        except PredictionError as error:
            assert outcome == "\n".join(reading_problems(error, path))


def read_apart(path):
    """How a process of its own ends that reads a file: 0 when it can be read, 1 when not."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    resource.setrlimit(resource.RLIMIT_CPU, (2, 2))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    status = 2
    try:
        with open_prediction(path) as prediction:
            status = 0
            for values in prediction:
                status = max(status, 3 * np.isclose(values, hostile.SECRET).any())
    except PredictionError:
        status = 1
    finally:
        os._exit(status)


@pytest.mark.parametrize("suffix", [".nc", ".safetensors"])
def test_random_damage_is_an_error_or_none(example, tmp_path, suffix):
    """HDF5 may crash or hang on it, which is what the sandbox is for; nothing else may happen."""
    good = example.netcdf if suffix == ".nc" else example.safetensors
    rng = random.Random(0)
    endings = []
    for _ in range(60):
        damaged = bytearray(good)
        for _ in range(rng.choice([1, 3, 10])):
            damaged[rng.randrange(rng.choice([100, 3000, len(good)]))] = rng.randrange(256)
        path = tmp_path / f"x{suffix}"
        path.write_bytes(damaged)
        endings.append(read_apart(path))
    killed = {-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGXCPU, -signal.SIGKILL, -signal.SIGBUS}
    assert set(endings) <= {0, 1} | (killed if suffix == ".nc" else set())
    assert 1 in endings
