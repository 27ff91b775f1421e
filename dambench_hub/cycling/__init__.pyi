from .cycle import Cycle as Cycle
from .cycle import first_states as first_states
from .record import CycleRecord as CycleRecord
from .record import on_common_starts as on_common_starts
from .record import saturation as saturation
from .run import CycleRun as CycleRun
from .run import Plan as Plan
