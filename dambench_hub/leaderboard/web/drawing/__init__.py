"""Pictures of the pages, as SVG."""
