"""The server: what people see, and what they and programs may ask."""
