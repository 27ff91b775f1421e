"""Cycles beside one another, as tables for people."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rich import box
from rich.table import Table

from dambench_hub.coordinates.units import pretty
from dambench_hub.coordinates.variables import HEADLINE_CHANNELS, parse_channel
from dambench_hub.cycling.record import BY_TIME, CycleRecord

DAYS = (1, 3, 5, 10)
"""Lead times shown."""


def channel_table(record: CycleRecord, discard: int) -> Table:
    """Errors and spread of one cycle, for the channels that people look at."""
    days = [day for day in DAYS if 24 * day in record.lead_hours]
    at = [list(record.lead_hours).index(24 * day) for day in days]
    columns = {name: record.mean(name, discard) for name in BY_TIME}
    if not np.nanmax(columns["background_spread"], initial=0) > 0:
        columns = {name: column for name, column in columns.items() if "spread" not in name}
    forecast = record.mean("forecast_error", discard)
    columns |= {f"day {day}": forecast[n] for day, n in zip(days, at, strict=True)}
    columns["random day"] = record.saturation
    table = Table(title=title(record, discard), box=box.SIMPLE)
    table.add_column("channel")
    table.add_column("unit", no_wrap=True)
    for name in columns:
        heading = name.replace("_error", "").replace("_", " ")
        table.add_column(heading, justify="right", max_width=len("background"))
    shown = [name for name in HEADLINE_CHANNELS if name in record.channels] or record.channels[:9]
    for name in shown:
        c = record.channels.index(name)
        unit = pretty(parse_channel(name).variable.units)
        table.add_row(name, unit, *(figure(column[c]) for column in columns.values()))
    return table


def title(record: CycleRecord, discard: int) -> str:
    """Which cycles a table shows, and how the cycle went."""
    cycles = f"cycles {discard + 1} to {record.done} of {len(record.times)}"
    return f"{record.method}, root mean square error over {cycles}" + fate(record, ": ")


def fate(record: CycleRecord, before: str = "") -> str:
    """Whether a cycle diverged or was lost, in words; nothing if all is well."""
    if record.diverged:
        return f"{before}diverged, {record.diverged}"
    if record.lost is not None:
        when = record.times[record.lost].astype("datetime64[D]")
        return f"{before}lost from cycle {record.lost + 1} on, {when}"
    return ""


def comparison_table(records: Sequence[CycleRecord], discard: int) -> Table:
    """One row a method: mean over variables, in units of what a random day is wrong by.

    Backgrounds rank. They are model states of every method; analyses are what a method says, which
    the model cannot always hold.
    """
    days = [day for day in DAYS if all(24 * day in record.lead_hours for record in records)]
    table = Table(title=f"Errors after {discard} cycles, 1 = a random day", box=box.SIMPLE)
    table.add_column("method", no_wrap=True)
    for name in ("background", "analysis", "spread / error", *(f"day {day}" for day in days)):
        table.add_column(name, justify="right")
    table.add_column("how it went")
    for record in sorted(
        records, key=lambda record: float(record.overall("background_error", discard))
    ):
        background = float(record.overall("background_error", discard))
        spread = float(record.overall("background_spread", discard))
        at = [list(record.lead_hours).index(24 * day) for day in days]
        values = [background, float(record.overall("analysis_error", discard))]
        values += [spread / background if spread > 0 else np.nan]
        values += map(float, record.overall("forecast_error", discard)[at])
        table.add_row(record.method, *map(figure, values), fate(record) or "well")
    return table


def figure(value: float) -> str:
    """Three digits, or a dash for nothing."""
    if not np.isfinite(value):
        return "–"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
