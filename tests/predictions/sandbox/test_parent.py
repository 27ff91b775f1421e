"""The sandbox: what comes out is the file or an error, whatever becomes of the child."""

import os
import subprocess
import sys
import tempfile
import time

import numpy as np
import psutil
import pytest

from dambench_hub.data.batch import Analysis
from dambench_hub.errors import IsolationError, PredictionError
from dambench_hub.predictions.reader import open_prediction
from dambench_hub.predictions.sandbox import parent
from dambench_hub.predictions.sandbox.parent import (
    UNREADABLE,
    ReadingLimits,
    open_sandboxed,
    self_test,
)
from dambench_hub.predictions.writer import write_predictions
from dambench_hub.scoring.evaluation import score

QUICK = ReadingLimits(memory=1 << 28, cpu_seconds=1, wait_seconds=1)
CHILD = """
import ctypes, json, os, signal, sys, time
from array import array
from dambench_hub.predictions.sandbox.restrictions import (
    REPORT, UPLOAD, VALUES, restrict, take_descriptors
)

def report(**message):
    os.write(REPORT, json.dumps(message).encode() + b"\\n")

*descriptors, container, memory, cpu_seconds = sys.argv[1:]
take_descriptors([int(number) for number in descriptors])
report(restricted=restrict(int(memory), int(cpu_seconds)))
header = {
    "shape": [2, 1, 2, 2], "dtype": "<f4", "time": [0, 3600000], "channels": ["t2m"],
    "latitude": [90.0, -90.0], "longitude": [0.0, 180.0], "attributes": {}, "axes": [],
    "std": None,
}
std = {"std": {"shape": [2, 1, 2, 2], "dtype": "<f4", "axes": []}}
values = array("f", range(8)).tobytes()
"""
"""A child as it should be, up to where it reads the file."""


@pytest.fixture(scope="module", params=[".nc", ".safetensors"])
def file(request, tiny_data, tmp_path_factory):
    path = tmp_path_factory.mktemp("file") / f"x{request.param}"
    analyses = (Analysis(batch.background) for batch in tiny_data.batches("multimodal"))
    write_predictions(path, analyses, task="multimodal", data=tiny_data, model_name="background")
    return path


@pytest.fixture
def child(tmp_path, monkeypatch):
    """Open a file with a child that does this after it was restricted."""
    upload = tmp_path / "upload.nc"
    upload.write_bytes(b"\x89HDF\r\n\x1a\n and more")

    def opened(code, limits=QUICK):
        script = tmp_path / "child.py"
        script.write_text(CHILD + code)
        monkeypatch.setattr(parent, "READER", (str(script),))
        return open_sandboxed(upload, limits)

    return opened


@pytest.fixture
def nothing_left(tmp_path, monkeypatch):
    """No processes, descriptors or folders may be left of a sandbox.

    What tests before it left to the garbage collector may go away meanwhile.
    """

    def traces():
        children = psutil.Process().children(recursive=True)
        pids = {child.pid for child in children}
        return pids, set(os.listdir("/proc/self/fd")), set(os.listdir(folder))

    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    before = traces()
    yield
    for kind, (now, then) in enumerate(zip(traces(), before, strict=True)):
        assert now <= then, ("processes", "descriptors", "folders")[kind]


def test_a_file_is_the_same_in_the_sandbox(file, tiny_data):
    with open_sandboxed(file) as sandboxed, open_prediction(file) as prediction:
        assert sandboxed.header.to_dict() == prediction.header.to_dict()
        for inside, outside in zip(sandboxed, prediction, strict=True):
            assert np.array_equal(inside, outside)
    inside, outside = (
        score(file, tiny_data, open=way) for way in (open_sandboxed, open_prediction)
    )
    assert inside.to_dict() == outside.to_dict()
    assert inside.sample_mse == outside.sample_mse


def test_values_come_in_order(file):
    with open_sandboxed(file) as prediction:
        assert np.array_equal(prediction[0], prediction[0])
        with pytest.raises(ValueError, match="time 1 is next, not 3"):
            prediction[3]


@pytest.mark.parametrize("count", [0, 1, 5])
def test_reading_may_stop_anywhere(file, nothing_left, count):
    with pytest.raises(KeyError), open_sandboxed(file) as prediction:
        for index in range(count):
            prediction[index]
        raise KeyError


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        open_sandboxed(tmp_path / "none.nc")
    (tmp_path / "x.pkl").write_bytes(b"")
    with pytest.raises(PredictionError, match=r"x\.pkl: the name .* ends in"):
        open_sandboxed(tmp_path / "x.pkl")


# Children that go wrong ---------------------------------------------------------------------------

BEFORE_THE_HEADER = {
    "crashes": "ctypes.string_at(0)",
    "gives up": "os.abort()",
    "kills itself": "os.kill(os.getpid(), signal.SIGKILL)",
    "raises": "raise KeyError('/etc/passwd')",
    "loops": "while True: pass",
    "sleeps": "time.sleep(1000)",
    "forks": "os.fork()",
    "allocates": "b'x' * (8 << 30)",
    "recurses": "def f(): return f()\nsys.setrecursionlimit(1 << 30); f()",
    "ends": "os._exit(0)",
    "ends with a header cut off": "os.write(REPORT, b'{\"header\":')",
    "closes its pipes": "os.close(REPORT); os.close(VALUES); time.sleep(1000)",
    "floods the report": "while True: os.write(REPORT, b'x' * 65536)",
    "floods the report with lines": "while True: os.write(REPORT, b'{}\\n' * 9999)",
    "reports a deep nest": "os.write(REPORT, b'[' * 60000 + b'\\n')",
    "reports no text": "os.write(REPORT, bytes(range(128, 256)) + b'\\n')",
    "reports a number": "os.write(REPORT, b'5\\n')",
    "reports other things": "report(secret=1)",
    "reports no header": "report(header=None)",
    "reports no problem": "report(problems=[])",
    "reports too many problems": "report(problems=['x'] * 21)",
    "reports a long problem": "report(problems=['x' * 601])",
    "reports control characters": "report(problems=['\x1b[31m'])",
    "reports problems that are no text": "report(problems=[5])",
    "has no size": "report(header=header | {'shape': [2, 0, 2, 2]})",
    "has no numbers": "report(header=header | {'latitude': ['90', '-90']})",
    "has no times": "report(header=header | {'time': [1 << 62, 1 << 70]})",
    "has a std without a size": "report(header=header | {'std': {'shape': [2, 0, 2, 2]}})",
    "does not tell of std": "del header['std']; report(header=header)",
    "has unknown attributes": "report(header=header | {'attributes': {'rank': '1'}})",
}
AFTER_THE_HEADER = {
    "crashes": "ctypes.string_at(0)",
    "sends nothing": "os.close(VALUES); time.sleep(1000)",
    "sends too little": "os.write(VALUES, values[:-1])",
    "sends too much": "os.write(VALUES, values + b'x')",
    "stops half-way": "os.write(VALUES, values[:20]); time.sleep(1000)",
    "ends badly": "os.write(VALUES, values); sys.exit(1)",
    "crashes at the end": "os.write(VALUES, values); ctypes.string_at(0)",
    "does not end": "os.write(VALUES, values); os.closerange(0, 6); time.sleep(1000)",
    "keeps its pipes open": "os.write(VALUES, values); time.sleep(1000)",
    "floods the report": "while True: os.write(REPORT, b'x' * 65536)",
    "says more": "os.write(VALUES, values); report(header=header)",
}


@pytest.mark.parametrize("code", BEFORE_THE_HEADER.values(), ids=BEFORE_THE_HEADER)
def test_a_child_goes_wrong_before_the_header(child, nothing_left, code):
    with pytest.raises(PredictionError) as error:
        child(code)
    assert str(error.value) == f"upload.nc: {UNREADABLE}"


@pytest.mark.parametrize("code", AFTER_THE_HEADER.values(), ids=AFTER_THE_HEADER)
def test_a_child_goes_wrong_after_the_header(child, nothing_left, code):
    with child(f"report(header=header)\n{code}") as prediction:
        assert prediction.header.channels == ("t2m",)
        with pytest.raises(PredictionError) as error:
            list(prediction)
    assert str(error.value) == UNREADABLE


def test_a_child_that_does_right(child, nothing_left):
    with child("report(header=header); os.write(VALUES, values)") as prediction:
        assert np.array_equal(list(prediction), np.arange(8).reshape(2, 1, 2, 2))


def test_std_comes_after_the_analysis_of_each_time(child, nothing_left):
    code = "report(header=header | std); os.write(VALUES, values + values)"
    with child(code) as prediction:
        for index in range(2):
            analysis = prediction[index]
            both = np.stack([analysis, prediction.std(index)]).ravel()
            assert np.array_equal(both, np.arange(8))


@pytest.mark.parametrize("sent", ["values", "values + values[:-1]", "values + values + b'x'"])
def test_a_child_that_sends_too_little_or_too_much_of_std(child, nothing_left, sent):
    code = f"report(header=header | std); os.write(VALUES, {sent})"
    with child(code) as prediction, pytest.raises(PredictionError) as error:
        list(prediction)
    assert str(error.value) == UNREADABLE


def test_a_huge_std_is_refused(child, nothing_left):
    code = "std['std']['shape'] = [2, 1 << 20, 1 << 20, 1 << 20]; report(header=header | std)"
    with pytest.raises(PredictionError, match="analysis and std have .* bytes at one time"):
        child(code)


def test_a_huge_header_is_refused(child, nothing_left):
    with pytest.raises(PredictionError, match="bytes at one time"):
        child("report(header=header | {'shape': [2, 1 << 20, 1 << 20, 1 << 20]})")


def test_problems_in_the_values_are_told(child, nothing_left):
    code = "report(header=header); os.write(VALUES, values[:16]); report(problems=['torn', 'worn'])"
    with child(code) as prediction, pytest.raises(PredictionError, match="^torn\nworn$"):
        list(prediction)


def test_the_time_between_two_reads_does_not_count(child):
    with child("report(header=header); os.write(VALUES, values)") as prediction:
        time.sleep(1.2 * QUICK.wait_seconds)
        assert len(list(prediction)) == 2


def test_a_child_knows_nothing(child, monkeypatch):
    """Of its parent it has the environment that it is given, and no more."""
    monkeypatch.setenv("SECRET_TOKEN", "canary")
    with pytest.raises(PredictionError) as error:
        child("report(problems=[' '.join(os.environ)])")
    names = str(error.value).removeprefix("upload.nc: ").split()
    assert set(names) <= {*parent.ENVIRONMENT, "LC_CTYPE"}


# Whether there is a sandbox -----------------------------------------------------------------------


def test_the_sandbox_holds():
    assert {"descriptors", "limits"} <= set(self_test())


def test_a_sandbox_that_leaks_is_found(tmp_path, monkeypatch):
    """Without restrictions, everything that the probe tries succeeds."""
    script = tmp_path / "probe.py"
    script.write_text(
        "import sys\n"
        "from dambench_hub.predictions.sandbox import probe\n"
        "probe.restrict = lambda memory, cpu_seconds: ()\n"
        "probe.main(sys.argv[1:])\n"
    )
    monkeypatch.setattr(parent, "PROBE", (str(script),))
    with pytest.raises(IsolationError, match="can open a file, create a file, open a socket, fol"):
        self_test()


@pytest.mark.parametrize("program", ["/nowhere/python", "/bin/false"])
def test_a_sandbox_that_does_not_start(file, monkeypatch, nothing_left, program):
    monkeypatch.setattr(sys, "executable", program)
    with pytest.raises(IsolationError, match="cannot be read safely here"):
        open_sandboxed(file)
    with pytest.raises(IsolationError, match="Uploads are refused"):
        self_test()


def test_a_hidden_process_cannot_be_looked_into():
    code = (
        "import ctypes\n"
        "from dambench_hub.predictions.sandbox.restrictions import hide_process\n"
        "hide_process()\n"
        "print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).stdout == b"0\n"
