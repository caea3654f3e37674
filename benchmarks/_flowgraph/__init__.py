"""Parts of ``benchmarks/flowgraph.py``."""
