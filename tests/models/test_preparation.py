"""Methods as commands ask for them."""

import pytest

from dambench_hub.errors import TaskError
from dambench_hub.models.background import Background
from dambench_hub.models.base import option_names
from dambench_hub.models.preparation import prepare, read_options, require_modalities
from dambench_hub.models.registry import CLASSICAL, load_method, method_class
from dambench_hub.tasks import load_task


def test_options_are_read_as_what_they_are():
    texts = ["localisation_km=1500", "relaxation=0.5", "members=10"]
    options = read_options("letkf", texts)
    assert options == {"localisation_km": 1500, "relaxation": 0.5, "members": 10}
    assert read_options("particle_filter", ["localised=false"]) == {"localised": False}
    assert read_options("var3d", ["covariance=spectral"]) == {"covariance": "spectral"}
    assert read_options("fnp", []) == {}


@pytest.mark.parametrize("method", CLASSICAL)
def test_every_option_reaches_the_method(method, tiny_data):
    training = list(tiny_data.batches("unimodal", "train", 4))
    for name in set(option_names(method_class(method))) & {"members", "seed"}:
        options = read_options(method, [f"{name}=3"])
        assert getattr(load_method(method, training, **options), name) == 3


@pytest.mark.parametrize(
    ("method", "text", "message"),
    [
        ("letkf", "inflatoin=1.1", "letkf has no option 'inflatoin'. Did you mean 'inflation'?"),
        ("letkf", "inflation", "Wanted is an option like .*=VALUE, got 'inflation'"),
        ("fnp", "a=1", "fnp has no options"),
        ("background", "a=1", "background has no options"),
    ],
)
def test_options_that_are_none_are_named(method, text, message):
    with pytest.raises(TaskError, match=message):
        read_options(method, [text])


def test_values_out_of_range_are_refused_by_the_method(tiny_data):
    training = tiny_data.batches("unimodal", "train", 4)
    with pytest.raises(TaskError, match="relaxation"):
        load_method("letkf", training, **read_options("letkf", ["relaxation=2"]))


def test_a_classical_method_gets_its_seed():
    method = load_method("background")
    assert prepare(method, "auto", 5) is None
    with pytest.raises(TaskError, match="runs on the CPU"):
        prepare(method, "cuda", 0)


@pytest.mark.parametrize(
    ("task", "wanted"), [("unimodal", "multimodal,"), ("cycling", "multimodal-cycling,")]
)
def test_a_multi_modal_method_is_told_which_task_has_modalities(tiny_data, task, wanted):
    class Adapted(Background):
        name = "multi_background"

    with pytest.raises(TaskError, match=f"{task} does not give: use --task {wanted}"):
        require_modalities(Adapted(), load_task(task), tiny_data)
