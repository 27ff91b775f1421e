"""A data set on the disk: columns of an example, shards, manifest, statistics, rounding."""
