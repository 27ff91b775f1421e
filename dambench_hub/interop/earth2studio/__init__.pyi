from .assimilation import Assimilation as Assimilation
from .frames import from_frame as from_frame
from .frames import to_frame as to_frame
from .report_source import ReportSource as ReportSource
