"""Neural and classical image codecs behind one contract."""
