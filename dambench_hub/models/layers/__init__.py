"""Plain torch modules on the sphere; they know nothing of methods or data sets."""
