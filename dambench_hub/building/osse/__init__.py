"""The embedded default: a twin experiment made by a general circulation model."""
