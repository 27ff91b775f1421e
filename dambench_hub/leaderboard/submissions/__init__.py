"""What people hand in: limits, the queue, review, and every state on the way to the board."""
