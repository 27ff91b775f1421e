"""The pages of the leaderboard; each module's `build(site)` lays one out."""

from typing import Any

QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
"""How an event is answered that only changes what is shown."""

WAITING = '<p class="page soft">One moment …</p>'
"""What stands in a place until the server has answered."""
