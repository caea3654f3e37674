"""Radios: everything that takes and gives samples."""
