"""Coordinates that are none."""

import numpy as np

from .cases import hdf5, replace

for name, values, words in (
    ("time", np.array([0, 24, 48, 72, np.nan]), "not times"),
    ("time", np.array([0, 24, 48, 72, np.inf]), "not times"),
    ("time", np.array([0, 24, 48, 72, 1e300]), "not times"),
    ("time", np.full(5, -(1 << 63)), "not times"),
    ("time", np.zeros((5, 1)), "time must be one axis"),
    ("time", np.zeros(100_000), "time must be one axis"),
    ("time", np.array([0, 24, 24, 72, 96]), "missing"),
    ("latitude", np.array([90, 67.5, 45, 22.5, 0, -22.5, -45, -67.5, np.nan]), "latitude"),
    ("latitude", np.linspace(-90, 90, 9), "north to south"),
    ("latitude", np.zeros(9, "c8"), "one axis of numbers"),
    ("longitude", np.zeros(16, "S3"), "one axis of numbers"),
    ("longitude", np.arange(15_000.0), "longitude|coordinates and attributes"),
    ("channel", np.arange(5), "names as strings"),
    ("channel", np.array([b"x" * 5000] * 5), "a name of 5000 bytes"),
    ("channel", np.array([b"\xff\xfe", b"\x00", b"\n", b"'", b"x"]), "Unknown channel"),
    ("channel", np.zeros((5, 200_000), "S1"), "one axis of names"),
):

    @hdf5(f"{name}: {values.dtype} {values.shape} {values.ravel()[-1]}"[:60], "reject", words)
    def _(root, example, name=name, values=values):
        replace(root, name, data=values)


@hdf5("channel: one text", "reject", "one axis of names")
def _(root, example):
    replace(root, "channel", data="t2m")


@hdf5("channel: compressed", "reject", "channel is compressed")
def _(root, example):
    replace(root, "channel", data=np.array(["a"] * 5, "S"), compression="gzip")


for name, units in {
    "absent": None,
    "a list": ["hours since 1970-01-01"] * 2,
    "a number": 5,
    "fortnights": "fortnights since\x1b[31m Easter",
    "another clock": "hours since 1970-01-01 00:00:00 +09:00",
    "no day": "hours since 2023-02-30",
    "very long": "hours since " + "1" * 60_000,
}.items():

    @hdf5(f"units of time: {name}", "reject", "time has units|damaged")
    def _(root, example, units=units):
        del root["time"].attrs["units"]
        if units is not None:
            root["time"].attrs["units"] = units


@hdf5("calendar without leap days", "reject", "calendar 'noleap'")
def _(root, example):
    root["time"].attrs["calendar"] = "noleap"
