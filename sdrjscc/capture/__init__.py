"""Recordings as SigMF files (file work only)."""
