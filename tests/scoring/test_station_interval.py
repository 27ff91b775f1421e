from dambench_hub.scoring.interval import Interval
from dambench_hub.scoring.station_interval import station_interval

FIELDS = {"rmse": {"t2m": 2.0}, "skill": 3.0}
HIDDEN = FIELDS | {"station_rmse": 2.0}
KNOWN = HIDDEN | {"rmse_low": {"t2m": 1.0}, "rmse_high": {"t2m": 4.0}}


def test_it_is_that_of_the_main_score_and_known_only_where_both_are():
    assert station_interval(KNOWN) == Interval(2.0, 1.0, 4.0)
    assert station_interval(FIELDS) is None and station_interval(HIDDEN) is None
