import numpy as np
import pytest
from report_tables import table_of

from dambench_hub.errors import DataError
from dambench_hub.observations.table import ObservationTable, concatenate
from dambench_hub.observations.withholding import uniform, withhold


def stations(names, latitude=None, longitude=0.0, report="synop"):
    latitude = np.linspace(-80, 80, len(names)) if latitude is None else latitude
    return table_of(station=names, latitude=latitude, longitude=longitude, report=report)


def withheld(table):
    return set(table.labels("station")[table.withheld])


NAMES = [f"{number:05d}" for number in range(1000)]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.2, 0.5, 1.0])
def test_the_share_is_about_right(share):
    tolerance = 4 * np.sqrt(share * (1 - share) / len(NAMES))
    assert abs(withhold(stations(NAMES), share).withheld.mean() - share) <= tolerance


def test_what_has_no_identifier_is_not_withheld():
    """Other reports of the same ship would tell what is withheld."""
    nameless = withhold(stations(["", "A1", "", ""], report="ship"), 1.0)
    assert nameless.withheld.tolist() == [False, True, False, False]
    assert not withhold(stations(["", ""]), 1.0).withheld.any()


def test_platforms_beside_each_other_share_a_draw_and_ships_that_pass_do_not():
    names = [f"62{n:05d}" for n in range(300)]
    first = np.linspace(-80, 80, 300)
    rigs = [
        stations([name + k for name in names], first + 0.01 * int(k), report="ship") for k in "01"
    ]
    kept = withheld(withhold(concatenate(rigs), 0.3))
    one, other = ({name[:-1] for name in kept if name.endswith(k)} for k in "01")
    assert one == other and 50 < len(one) < 130
    # Those of the second kind are somewhere else an hour later.
    left = stations([n + "1" for n in names], first[::-1] + 0.5, report="ship")
    kept = withheld(withhold(concatenate([*rigs, left]), 0.3))
    one, other = ({name[:-1] for name in kept if name.endswith(k)} for k in "01")
    assert one != other


def test_seeds_draw_independently():
    one, other = (withhold(stations(NAMES), 0.3, seed).withheld for seed in (0, 1))
    assert abs(np.mean(one & other) - 0.09) < 0.04


def test_the_same_on_each_machine():
    """Recorded once; whoever changes the hash changes what published scores were computed on."""
    got = [uniform("10637", 0), uniform("10637", 1), uniform("Zürich", 0)]
    assert got == [0.32892135315244886, 0.17484027158434046, 0.6152257044740566]


def test_neither_order_nor_other_stations_matter():
    order = np.random.default_rng(0).permutation(len(NAMES))
    latitude = np.linspace(-80, 80, len(NAMES))
    whole = withhold(stations(NAMES, latitude), 0.2)
    shuffled = withhold(stations(np.array(NAMES)[order], latitude[order]), 0.2)
    half = withhold(stations(NAMES[::2], latitude[::2]), 0.2)
    assert withheld(whole) == withheld(shuffled)
    assert withheld(half) == withheld(whole) & set(NAMES[::2])


def test_a_smaller_share_is_part_of_a_larger_one():
    small, large = (withheld(withhold(stations(NAMES), share)) for share in (0.1, 0.4))
    assert small < large


def test_all_rows_of_a_station_share_its_draw():
    table = concatenate([stations(NAMES), stations(NAMES, report="temp")])
    drawn = withhold(table, 0.3)
    of_station = drawn.codes("station")
    assert all(len(set(drawn.withheld[of_station == code])) == 1 for code in range(50))


def test_stations_that_stand_together_are_withheld_together():
    second = [f"x{name}" for name in NAMES]
    latitude = np.linspace(-80, 80, len(NAMES))
    near = stations(second, latitude + 0.03)  # 3.3 km
    drawn = withheld(withhold(concatenate([stations(NAMES, latitude), near]), 0.2))
    assert {f"x{name}" for name in drawn & set(NAMES)} == drawn & set(second)
    assert drawn & set(NAMES) == withheld(withhold(stations(NAMES, latitude), 0.2))


def test_a_chain_of_neighbours_is_one_place_over_the_date_line():
    longitude = np.linspace(179.9, 180.1, 12)  # steps of 2 km, 22 km in all
    table = stations(NAMES[:12], np.zeros(12), longitude)
    for seed in range(20):
        assert withhold(table, 0.5, seed).withheld.mean() in (0, 1)


def test_stations_farther_apart_are_drawn_apart():
    table = stations(NAMES[:200], np.linspace(0, 20, 200))  # steps of 11 km
    assert 0 < withhold(table, 0.5).withheld.mean() < 1
    assert withhold(table, 0.5, distance_km=12.0).withheld.mean() in (0, 1)


def test_aircraft_do_not_join_the_stations_they_pass():
    fixed = stations(NAMES[:200], np.linspace(0, 20, 200))
    flight = stations(["flight"] * 2000, np.linspace(0, 20, 2000), report="aircraft")
    drawn = withhold(concatenate([fixed, flight]), 0.3)
    assert withheld(drawn) - {"flight"} == withheld(withhold(fixed, 0.3))


def test_no_rows_have_none_to_withhold():
    assert len(withhold(ObservationTable.empty(), 0.2)) == 0


def test_a_share_is_a_share():
    with pytest.raises(DataError, match="from 0 to 1, got 20"):
        withhold(stations(NAMES), 20)
