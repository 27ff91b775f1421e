"""Maps of errors at stations, of a submission and of some beside one another."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from dambench_hub.coordinates.region import Region
from dambench_hub.coordinates.units import pretty
from dambench_hub.coordinates.variables import parse_channel
from dambench_hub.leaderboard.web.drawing.maps import colour_bar
from dambench_hub.leaderboard.web.drawing.panels import ColourBar, Panel, PanelGroup
from dambench_hub.leaderboard.web.drawing.station_maps import StationAtlas, named_errors
from dambench_hub.leaderboard.web.markup import render
from dambench_hub.metrics.place_errors import PlaceErrors, colour_limit
from dambench_hub.scoring.precision import number
from dambench_hub.scoring.station_errors import StationErrors


@lru_cache(maxsize=64)
def station_panels(
    methods: tuple[tuple[str, StationErrors], ...], channel: str, background: bool = True
) -> str:
    """A map for the background, if wanted, and one for each method, as HTML, in the same colours.

    Args:
        methods: Errors at the same stations by what the page calls who made them, at least one.
        channel: Name of the channel.
        background: Whether it has a map, too.
    """
    places = {name: errors.at_places(channel) for name, errors in methods}
    first = next(iter(places.values()))
    shown = {"the background": (first.background, first.rmse["background"])} if background else {}
    shown |= {name: (one.analysis, one.rmse["analysis"]) for name, one in places.items()}
    atlas = StationAtlas(Region.around(first.latitude, first.longitude))
    known = parse_channel(channel)
    title = f"{known.long_name[:1].upper()}{known.long_name[1:]}, {first.stations} stations"
    group = PanelGroup(title, _panels(atlas, first, shown, pretty(known.units)))
    return render("station_panels", lines=atlas.lines, group=group)


def _panels(
    atlas: StationAtlas,
    places: PlaceErrors,
    shown: Mapping[str, tuple[np.ndarray, float]],
    units: str,
) -> tuple[Panel, ...]:
    """Maps of errors at the same places; `shown` are errors and their RMSE."""
    limit = colour_limit([errors for errors, _ in shown.values()])
    limits = (-limit, limit)
    bar = ColourBar(colour_bar(limits), f"−{limit:.3g} and less", f"{limit:.3g} and more", units)
    where = places.latitude, places.longitude
    return tuple(
        Panel(
            f"{places.what} of {name}",
            f"RMSE {number(rmse)} {units}",
            atlas.draw(
                where,
                errors,
                limits,
                named_errors(places.station, errors, units),
                f"{places.what} of {name} at stations",
            ),
            bar,
        )
        for name, (errors, rmse) in shown.items()
    )
