"""The benchmark from the public archives of reanalyses, forecasts and daily products."""
