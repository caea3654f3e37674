"""The link: transmitter, streaming receiver, reassembly, session."""
