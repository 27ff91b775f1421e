"""The pages of the leaderboard; each module's `build(site)` lays one out."""
