"""How the events of all pages are answered, and what stands in a place until then."""

from typing import Any

QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
"""How an event is answered that only changes what is shown."""

WAITING = '<p class="page soft waiting">One moment …</p>'
"""What stands in a place until the server has answered; what follows it is not seen until then."""
