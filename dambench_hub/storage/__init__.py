"""A data set on the disk: one example, files of examples, and what the whole is."""
