"""A data set is made: a plan, a source of fields, and the builder that writes shards of them."""
