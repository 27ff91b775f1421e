"""What all rooms build on: files, settings, signals, workers, progress, and the API of the Hub."""
