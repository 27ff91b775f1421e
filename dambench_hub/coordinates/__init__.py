"""Where values are, and what they are of: variables, units, grids, times, regridding."""
