"""The leaderboard: uploads, their safe reading, scoring and publication, and the pages of the board."""
