"""DAMBench in the tools of others: their interfaces, file layouts and names."""
