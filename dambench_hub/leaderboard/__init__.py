"""The leaderboard: uploads, reading them safely, scoring, and the pages that show the ranking."""
