"""Transmits and receives at the address given until Ctrl-C; run by ``test_pluto_iiod.py``."""

import sys

from pluto_example import noise, radio

with radio(uri=sys.argv[1]) as pluto:
    pluto.repeat(noise(4096, power=0.1))
    print("on the air", flush=True)
    while True:
        pluto.receive()
