"""The database of submissions and results: its schema, rankings, records, copies."""
