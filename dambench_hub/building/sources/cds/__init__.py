"""ERA5 from the Climate Data Store: requests, and the files that they bring."""
