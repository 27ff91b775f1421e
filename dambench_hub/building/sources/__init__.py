"""Archives of the real atmosphere, each opened lazily as xarray in one convention.

The convention, which `axes.harmonized` establishes: coordinates `time` (UTC, ascending, each once),
`level` (hPa, ascending), `latitude` (north to south), `longitude` (0 to 360, ascending); variables
by our names and in our units (`coordinates/variables.py`); dimensions in any order, as moving them
would end the laziness. The attributes `title`, `source`, `licence`, `attribution` and `citation`
are sentences for the card. What is not there is `MissingData`, never a filled value.
"""
