"""Training of codecs through the channels they will meet."""
