"""Waveforms: grid to samples and back; owners of the geometry."""
