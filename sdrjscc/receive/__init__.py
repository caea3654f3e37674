"""Receiver functions of tensors: acquire, estimate, track, equalise."""
