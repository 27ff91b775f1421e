"""What the package needs of its surroundings: files, signals, workers, progress, the Hub's API."""
