"""A GNU Radio flowgraph on a PlutoSDR: a tone out through gr-iio, and what came back on stdout as JSON.

Run by ``test_iiod.py`` in a process of its own: gr-iio holds the interpreter while it connects, so a
server in the same process could not answer.
"""

import json
import os
import sys
import time

import numpy as np
from gnuradio import blocks, gr, iio

RATE, CARRIER, LENGTH, TURNS, LEVEL = 1_000_000, 2_450_000_000, 32_768, 64, 0.25
WANTED = 6 * LENGTH


def source(uri):
    block = iio.fmcomms2_source_fc32(uri, [True, True], LENGTH)
    block.set_frequency(CARRIER)
    block.set_samplerate(RATE)
    block.set_gain_mode(0, "manual")
    block.set_gain(0, 40.0)
    block.set_quadrature(True)
    block.set_rfdc(True)
    block.set_bbdc(True)
    block.set_filter_params("Auto", "", 0, 0)
    return block


def sink(uri, cyclic):
    block = iio.fmcomms2_sink_fc32(uri, [True, True], LENGTH, cyclic)
    block.set_frequency(CARRIER)
    block.set_samplerate(RATE)
    block.set_filter_params("Auto", "", 0, 0)
    block.set_bandwidth(RATE)
    block.set_attenuation(0, 40.0)
    return block


def main(uri, cyclic):
    tone = LEVEL * np.exp(2j * np.pi * TURNS * np.arange(LENGTH) / LENGTH)
    graph = gr.top_block()
    heard = blocks.vector_sink_c()
    graph.connect(blocks.vector_source_c(tone.tolist(), not cyclic), sink(uri, cyclic))
    graph.connect(source(uri), blocks.head(gr.sizeof_gr_complex, WANTED), heard)
    graph.start()
    patience_s = time.monotonic() + 30.0
    while len(heard.data()) < WANTED and time.monotonic() < patience_s:
        time.sleep(0.02)
    graph.stop()
    graph.wait()
    last = np.array(heard.data()[-LENGTH:])
    spectrum = np.abs(np.fft.fft(last)) / LENGTH
    peak = int(spectrum.argmax())
    print(json.dumps({"samples": len(heard.data()), "bin": peak, "level": float(spectrum[peak])}), flush=True)
    os._exit(0)  # gr-iio 3.10.5 does not let the interpreter end by itself


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2] == "cyclic")
