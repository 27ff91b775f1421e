"""The small archives of the sources' tests, for the builders, too."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

_spec = spec_from_file_location(
    "archives_for_tests", Path(__file__).parents[1] / "building" / "sources" / "conftest.py"
)
_archives = module_from_spec(_spec)
_spec.loader.exec_module(_archives)

write_weatherbench = _archives.write_weatherbench
drop_chunk = _archives.drop_chunk
