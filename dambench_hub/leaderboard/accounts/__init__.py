"""Who somebody is, how they prove it, and what they may call things."""
