"""Parts of the physical-layer benchmark ``benchmarks/phy.py``."""
