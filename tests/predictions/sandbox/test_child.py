"""The sandboxed child: reading a file loads the reader, and nothing that could tell or do more."""

import pytest

from dambench_hub.data.batch import Analysis
from dambench_hub.predictions.reader import container_of
from dambench_hub.predictions.sandbox.parent import ReadingLimits, _running
from dambench_hub.predictions.writer import write_predictions

TELLING = """
import sys
from dambench_hub.predictions.sandbox import child

child.main(sys.argv[1:])
child.report(modules=sorted(sys.modules))
"""
OURS = {
    "dambench_hub",
    "dambench_hub.errors",
    "dambench_hub.predictions",
    "dambench_hub.predictions.sandbox",
    "dambench_hub.runtime",
    "dambench_hub.runtime.honest_text",
    *(f"dambench_hub.predictions.{name}" for name in ("cf_times", "chunks", "header")),
    *(
        f"dambench_hub.predictions.{name}"
        for name in ("dimension_scales", "reader", "safe_hdf5", "safe_tensors")
    ),
    *(f"dambench_hub.predictions.sandbox.{name}" for name in ("child", "restrictions")),
}
UNWANTED = {"torch", "datasets", "pyarrow", "xarray", "yaml", "scipy", "sqlalchemy", "gradio"}
UNWANTED |= {"huggingface_hub", "requests", "httpx", "fsspec", "ssl", "http", "asyncio", "sqlite3"}


@pytest.fixture(params=[".nc", ".safetensors"])
def modules(request, tiny_data, tmp_path):
    """What a child has loaded once it has read a file."""
    path, script = tmp_path / f"x{request.param}", tmp_path / "telling.py"
    analyses = (Analysis(batch.background) for batch in tiny_data.batches("multimodal"))
    write_predictions(path, analyses, task="multimodal", data=tiny_data, model_name="background")
    script.write_text(TELLING)
    with _running((str(script),), path, container_of(path), ReadingLimits()) as child:
        header = child.header()
        size = 4 * int(header.shape[0]) * tiny_data.grid.size * len(tiny_data.channels)
        assert child.read(memoryview(bytearray(size))) == size
        return child.message("modules")


def test_only_the_reader_is_loaded(modules):
    ours = {name for name in modules if name.startswith("dambench_hub")}
    assert "dambench_hub.predictions.reader" in ours
    assert ours <= OURS
    assert {name.partition(".")[0] for name in modules} & UNWANTED == set()
