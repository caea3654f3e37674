"""Pictures: reading, metrics, bundled samples, data sets."""
