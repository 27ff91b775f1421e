"""Data sets, models, metric and Space on their way to the Hugging Face Hub."""
