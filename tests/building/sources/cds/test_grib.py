"""Messages of GRIB 1 and 2 that must not become the reference, and fields that come twice."""

import numpy as np
import pytest

from dambench_hub.building.sources.cds.download import open_cds
from dambench_hub.building.sources.cds.grib import check_messages
from dambench_hub.errors import BuildError

eccodes = pytest.importorskip("eccodes", reason="GRIB needs the extra era5: eccodes and cfgrib")
pytest.importorskip("cfgrib", reason="GRIB needs the extra era5: eccodes and cfgrib")

GRID = {"Ni": 8, "Nj": 5}
GRID |= {"latitudeOfFirstGridPointInDegrees": 90, "latitudeOfLastGridPointInDegrees": -90}
GRID |= {"longitudeOfFirstGridPointInDegrees": 0, "longitudeOfLastGridPointInDegrees": 315}
GRID |= {"iDirectionIncrementInDegrees": 45, "jDirectionIncrementInDegrees": 45}
ERA5 = {"setLocalDefinition": 1, "localDefinitionNumber": 1, "class": "ea", "type": "an"}
ERA5 |= {"stream": "oper", "expver": "0001", "dataDate": 20240101, "dataTime": 0}
T2M, T850 = {"shortName": "2t"}, {"shortName": "t", "level": 850}


def write(path, *messages, edition=1, base=ERA5):
    """A message for each group of keys, which may also be called `sample` and `value`."""
    with path.open("wb") as file:
        for changed in messages:
            keys = base | changed | (GRID if "sample" not in changed else {})
            kind = "pl" if "level" in keys else "sfc"
            sample = keys.pop("sample", f"regular_ll_{kind}_grib{edition}")
            value = keys.pop("value", 280.0)
            message = eccodes.codes_grib_new_from_samples(sample)
            for key, setting in keys.items():
                eccodes.codes_set(message, key, setting)
            own_grid = "sample" in changed
            count = eccodes.codes_get(message, "numberOfValues") if own_grid else 40
            eccodes.codes_set_values(message, np.full(count, value))
            eccodes.codes_write(message, file)
            eccodes.codes_release(message)
    return path


@pytest.mark.parametrize("edition", [1, 2])
@pytest.mark.parametrize("field", [T2M, T850], ids=["t2m", "t850"])
@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"type": "fc", "step": 24}, "forecasts"),
        ({"step": 6}, "forecasts"),
        ({"type": "em", "stream": "enda"}, "ensemble means"),
        ({"type": "es", "stream": "enda"}, "ensemble spreads"),
        ({"stream": "moda"}, "monthly means"),
        ({"stream": "mnth"}, "monthly means"),
    ],
)
def test_what_is_no_analysis_is_refused(tmp_path, edition, field, changed, what):
    path = write(tmp_path / "a", field, field | {"dataTime": 600} | changed, edition=edition)
    name = "t2m" if field == T2M else "t at 850 hPa"
    with pytest.raises(BuildError, match=rf"a: {name} of 2024-01-0\dT\d\d:00 holds {what}"):
        open_cds(path)


def test_members_and_statistics_of_each_edition_are_refused(tmp_path):
    member = write(tmp_path / "a", T2M | {"stream": "enda", "number": 3})
    with pytest.raises(BuildError, match=r"a perturbed member \(number is 3\)"):
        open_cds(member)
    mean = write(tmp_path / "b", T2M | {"timeRangeIndicator": 123})
    with pytest.raises(BuildError, match="statistics over time"):
        open_cds(mean)
    times = {"dataDate": 20240101, "dataTime": 0}
    derived = T2M | {"productDefinitionTemplateNumber": 2, "derivedForecast": 4}
    spread = write(tmp_path / "c", derived, edition=2, base=times)
    with pytest.raises(BuildError, match="statistics of an ensemble"):
        open_cds(spread)


@pytest.mark.parametrize("edition", [1, 2])
def test_analyses_of_era5_are_taken_whatever_lies_beside_them(tmp_path, edition):
    """Rain comes as a forecast, in the same file if both are asked for."""
    later = {"dataTime": 1200}
    rain = {"shortName": "tp", "type": "fc", "step": 6}
    path = write(
        tmp_path / "a", T2M, rain, T850, T2M | later, rain | later, T850 | later, edition=edition
    )
    dataset = open_cds(path)
    assert set(dataset.data_vars) == {"t2m", "t"} and dataset.sizes["time"] == 2
    np.testing.assert_allclose(dataset.t2m, 280)
    control = write(tmp_path / "b", T2M | {"stream": "enda", "number": 0})
    assert set(open_cds(control).data_vars) == {"t2m"}


def test_grib_2_without_ecmwfs_section_is_taken_at_its_step(tmp_path):
    """As other tools convert it: neither type nor expver are known."""
    times = {"dataDate": 20240101, "dataTime": 0}
    dataset = open_cds(write(tmp_path / "a", T2M, edition=2, base=times))
    assert dataset.expver.values.tolist() == [""]
    with pytest.raises(BuildError, match="forecasts"):
        open_cds(write(tmp_path / "b", T2M | {"step": 6}, edition=2, base=times))


@pytest.mark.parametrize("field", [T2M, T850], ids=["t2m", "t850"])
@pytest.mark.parametrize(
    ("changed", "how"),
    [
        ({"value": 290.0}, "with different values"),
        ({}, "with the same values"),
        ({"expver": "0005"}, "with expver 0001 and 0005"),
        ({"stream": "enda"}, "with stream oper and enda"),
    ],
)
def test_a_field_that_stands_there_twice_is_refused(tmp_path, field, changed, how):
    name = "t2m" if field == T2M else "t at 850 hPa"
    path = write(tmp_path / "a", T2M | {"dataTime": 600}, field, field | changed)
    with pytest.raises(BuildError, match=rf"a holds {name} of 2024-01-01T00:00 twice: {how}\."):
        open_cds(path)


def test_several_fields_in_one_message_of_grib_2(tmp_path):
    """As NCEP writes both components of the wind; the second is a field as well."""

    def together(path, *fields):
        multiple = eccodes.codes_grib_multi_new()
        for n, changed in enumerate(fields):
            one = write(tmp_path / "one", changed | {"value": 10.0 + n}, edition=2).open("rb")
            message = eccodes.codes_grib_new_from_file(one)
            eccodes.codes_grib_multi_append(message, 4 if n else 0, multiple)
        with path.open("wb") as file:
            eccodes.codes_grib_multi_write(multiple, file)
        return path

    u, v = ({"shortName": name, "level": 850} for name in "uv")
    dataset = open_cds(together(tmp_path / "a", u, v))
    assert (float(dataset.u.mean()), float(dataset.v.mean())) == (10, 11)
    with pytest.raises(BuildError, match="v at 850 hPa .* twice: with different values"):
        open_cds(together(tmp_path / "b", u, v, v))
    with pytest.raises(BuildError, match="u at 850 hPa .* holds forecasts"):
        open_cds(together(tmp_path / "c", u | {"type": "fc", "step": 6}, v))
    np.testing.assert_array_equal(open_cds(tmp_path / "a").v, 11)


def test_a_file_appended_to_itself_says_how_many_fields(tmp_path):
    path = write(tmp_path / "a", *({**T850, "level": level} for level in (500, 850, 1000)))
    path.write_bytes(path.read_bytes() * 2)
    words = "t at 500 hPa of 2024-01-01T00:00 twice, and 2 more fields: with the same values"
    with pytest.raises(BuildError, match=words):
        open_cds(path)


def test_other_levels_times_and_variables_are_other_fields(tmp_path):
    check_messages(
        write(
            tmp_path / "a",
            *(T850, T850 | {"level": 500}, T850 | {"dataTime": 600}, T850 | {"shortName": "q"}),
            *(T2M, {"shortName": "z"}, {"shortName": "z"}),  # the orography, which is not used
        )
    )


@pytest.mark.parametrize(
    ("sample", "words"),
    [
        ("reduced_gg_sfc_grib1", r"reduced Gaussian grid.*'1.5'.*cdo -setgridtype,regular"),
        ("sh_pl_grib1", r"spherical harmonics.*'1.5'.*cdo -sp2gp"),
    ],
)
def test_the_archived_grids_of_ecmwf_say_what_they_are(tmp_path, sample, words):
    keys = T2M if "sfc" in sample else {"shortName": "t", "level": 850}
    path = write(tmp_path / "a", keys | {"sample": sample})
    with pytest.raises(BuildError, match=rf"a is on .*{words}"):
        open_cds(path)


def test_model_levels_are_not_taken_for_pressure_levels(tmp_path):
    levels = ({**T850, "typeOfLevel": "hybrid", "level": level} for level in (1, 2))
    path = write(tmp_path / "a", *levels)
    with pytest.raises(
        BuildError, match="a: t has levels of the kind 'hybrid'; wanted are levels of"
    ):
        open_cds(path)
