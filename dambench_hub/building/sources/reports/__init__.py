"""Archives of reports: what stations, balloons and aircraft measured, as tables of observations.

Each reader gives a `Reading`: an `ObservationTable`, and how many reports it refused, by reason. A
report whose place, time or pressure is unknown or impossible is refused, since no row can hold it;
an impossible value is a row, of quality `GROSS`. Values that those who collected the archive call
wrong are rows of quality `PROVIDER`. Further checks are in `observations/quality_control.py`.
"""
