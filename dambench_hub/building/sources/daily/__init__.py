"""Daily products: gauge precipitation and satellite outgoing longwave radiation."""
