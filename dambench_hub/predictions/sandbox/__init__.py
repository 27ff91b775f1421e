"""Reading a stranger's prediction file in a process that can do nothing else."""
