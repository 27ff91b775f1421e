"""Publishing data sets, models, the metric and the Space on the Hugging Face Hub."""
