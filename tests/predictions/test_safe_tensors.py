"""Headers of safetensors files: all that is wrong comes at once."""

import json

import pytest

from dambench_hub.data.batch import Analysis
from dambench_hub.errors import PredictionError
from dambench_hub.predictions.reader import open_prediction
from dambench_hub.predictions.writer import write_predictions


@pytest.fixture
def problems(tiny_data, tmp_path):
    """The problems of a file after a change of its header."""

    def find(change):
        path = tmp_path / "x.safetensors"
        analyses = (Analysis(batch.background) for batch in tiny_data.batches("unimodal"))
        write_predictions(path, analyses, task="unimodal", data=tiny_data, model_name="m")
        raw = path.read_bytes()
        length = int.from_bytes(raw[:8], "little")
        header = json.loads(raw[8 : 8 + length])
        change(header)
        text = json.dumps(header).encode()
        path.write_bytes(len(text).to_bytes(8, "little") + text + raw[8 + length :])
        with pytest.raises(PredictionError) as error:
            open_prediction(path)
        return str(error.value).split("\n")

    return find


def test_all_problems_come_at_once(problems):
    def change(header):
        header["more"] = header["analysis"]
        header["analysis"]["shape"] = "5"
        metadata = header["__metadata__"]
        metadata.update(time='["tomorrow"]', latitude="north", model_name=5)
        del metadata["channel"], metadata["longitude"]

    found = problems(change)
    for words in (
        "further tensors",
        "shape must be a list of whole numbers",
        "time must be a JSON list of times like 2024-01-01T00",
        "latitude must be a JSON list of numbers",
        "model_name must be a text",
        "channel, longitude are missing",
    ):
        assert sum(words in line for line in found) == 1, (words, found)
    assert len(found) == 6
    assert all(line.startswith("x.safetensors: ") for line in found)


def test_what_lies_in_a_missing_part_is_not_missed_too(problems):
    (problem,) = problems(lambda header: header.pop("__metadata__"))
    assert "incomplete, __metadata__ is missing" in problem
