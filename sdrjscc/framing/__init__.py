"""Headers and packets."""
