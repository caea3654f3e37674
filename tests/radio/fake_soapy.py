"""A device with the habits of SoapySDR 0.8's Python interface.

``Hardware`` outlives the connections and keeps a log; ``Hardware.module()`` stands in for
``import SoapySDR``. A test compares names, arguments and codes with the real library.
"""

from types import SimpleNamespace

import numpy as np

CODES = {
    "SOAPY_SDR_TX": 0,
    "SOAPY_SDR_RX": 1,
    "SOAPY_SDR_END_BURST": 2,
    "SOAPY_SDR_HAS_TIME": 4,
    "SOAPY_SDR_TIMEOUT": -1,
    "SOAPY_SDR_STREAM_ERROR": -2,
    "SOAPY_SDR_CORRUPTION": -3,
    "SOAPY_SDR_OVERFLOW": -4,
    "SOAPY_SDR_NOT_SUPPORTED": -5,
    "SOAPY_SDR_TIME_ERROR": -6,
    "SOAPY_SDR_UNDERFLOW": -7,
}
WORDS = {
    -1: "TIMEOUT",
    -2: "STREAM_ERROR",
    -3: "CORRUPTION",
    -4: "OVERFLOW",
    -5: "NOT_SUPPORTED",
    -6: "TIME_ERROR",
    -7: "UNDERFLOW",
}
GAINS = {0: (-12.0, 64.0), 1: (0.0, 61.0)}
RX, TX = 1, 0


class Hardware:
    """The device: ``coerce`` gives other values than were asked for, ``dies_at`` names an operation.

    ``events`` is what ``readStream`` reports before samples; ``statuses`` what becomes of bursts.
    ``gaps`` are ``(position, lost)``.
    """

    def __init__(
        self,
        *,
        present=True,
        channels=2,
        duplex=True,
        coerce=(),
        dies_at=None,
        stamped=True,
        gaps=(),
        takes_at_most=None,
        amplitude=0.25,
    ):
        self.present, self.channels, self.duplex = present, channels, duplex
        self.coerce, self.dies_at, self.stamped, self.gaps = dict(coerce), dies_at, stamped, list(gaps)
        self.takes_at_most, self.amplitude = takes_at_most, amplitude
        self.state, self.log, self.sent, self.events, self.statuses = {}, [], [], [], []
        self.position, self.ended, self.open, self.active = 0, 0, 0, set()

    def module(self):
        return SimpleNamespace(
            Device=lambda args: Device(self, args),
            SOAPY_SDR_CF32="CF32",
            errToStr=errToStr,
            **CODES,
        )

    def touch(self, operation):
        if operation == self.dies_at:
            self.present = False
        if not self.present:
            raise RuntimeError("device handle is gone")

    def write(self, name, direction, channel, value):
        self.touch(f"set{name}")
        if name == "Gain":
            value = min(max(value, GAINS[direction][0]), GAINS[direction][1])
        self.log.append((name, direction, value))
        self.state[name, direction, channel] = self.coerce.get(name, value)

    def read(self, name, direction, channel):
        self.touch(f"get{name}")
        return self.state.get((name, direction, channel), 0.0)


def errToStr(errorCode):
    return WORDS[errorCode]


def span(low, high):
    return SimpleNamespace(minimum=lambda: low, maximum=lambda: high)


def pair(name):
    return (
        lambda self, direction, channel, value: self._hardware.write(name, direction, channel, value),
        lambda self, direction, channel: self._hardware.read(name, direction, channel),
    )


class Device:
    def __init__(self, hardware, args):
        if not hardware.present:
            raise RuntimeError("SoapySDR::Device::make() no match")
        self._hardware = hardware
        hardware.open += 1

    setGain, getGain = pair("Gain")
    setFrequency, getFrequency = pair("Frequency")
    setSampleRate, getSampleRate = pair("SampleRate")
    setBandwidth, getBandwidth = pair("Bandwidth")
    setAntenna, getAntenna = pair("Antenna")
    setGainMode, getGainMode = pair("GainMode")

    def hasGainMode(self, direction, channel):
        return direction == RX

    def setClockSource(self, source):
        self._hardware.write("ClockSource", None, 0, source)

    def getClockSource(self):
        return self._hardware.read("ClockSource", None, 0)

    def getGainRange(self, direction, channel):
        return span(*GAINS[direction])

    def getFrequencyRange(self, direction, channel):
        return [span(30e6, 1e9), span(1.2e9, 3.8e9)]

    def getSampleRateRange(self, direction, channel):
        return [span(100e3, 65e6)]

    def getBandwidthRange(self, direction, channel):
        return []

    def listAntennas(self, direction, channel):
        return ("LNAH", "LNAL")

    def getHardwareKey(self):
        return "LimeSDR-USB"

    def getNumChannels(self, direction):
        return self._hardware.channels

    def getFullDuplex(self, direction, channel):
        return self._hardware.duplex

    def setupStream(self, direction, format, channels):
        self._hardware.touch("setupStream")
        assert format == "CF32"
        return direction, len(channels)

    def activateStream(self, stream, flags=0, timeNs=0, numElems=0):
        self._hardware.active.add(stream[0])
        return 0

    def deactivateStream(self, stream, flags=0, timeNs=0):
        self._hardware.touch("deactivateStream")
        self._hardware.active.discard(stream[0])
        self._hardware.log.append(("deactivate", stream[0], None))
        return 0

    def closeStream(self, stream):
        self._hardware.log.append(("close", stream[0], None))

    def readStream(self, stream, buffs, numElems, flags=0, timeoutUs=100000):
        hardware = self._hardware
        hardware.touch("readStream")
        assert len(buffs) == stream[1]
        assert all(one.dtype == np.complex64 and one.flags.c_contiguous for one in buffs)
        if hardware.events:
            return SimpleNamespace(ret=hardware.events.pop(0), flags=0, timeNs=0)
        count = min(numElems, 4000)
        if hardware.gaps:
            position, lost = hardware.gaps[0]
            if hardware.position == position:
                hardware.gaps.pop(0)
                hardware.position += lost
                return SimpleNamespace(ret=CODES["SOAPY_SDR_OVERFLOW"], flags=0, timeNs=0)
            count = min(count, position - hardware.position)
        for one in buffs:
            one[:count] = hardware.amplitude
        rate = hardware.state["SampleRate", RX, 0]
        stamp = round(1e9 * hardware.position / rate)
        hardware.position += count
        flags = CODES["SOAPY_SDR_HAS_TIME"] if hardware.stamped else 0
        return SimpleNamespace(ret=count, flags=flags, timeNs=stamp)

    def writeStream(self, stream, buffs, numElems, flags=0, timeNs=0, timeoutUs=100000):
        hardware = self._hardware
        hardware.touch("writeStream")
        (samples,) = buffs
        assert samples.dtype == np.complex64
        assert len(samples) == numElems
        if hardware.takes_at_most == 0:
            return SimpleNamespace(ret=CODES["SOAPY_SDR_TIMEOUT"], flags=0, timeNs=0)
        taken = min(numElems, hardware.takes_at_most or numElems)
        hardware.sent.append(samples[:taken].copy())
        hardware.ended += bool(flags & CODES["SOAPY_SDR_END_BURST"]) and taken == numElems
        return SimpleNamespace(ret=taken, flags=0, timeNs=0)

    def readStreamStatus(self, stream, timeoutUs=100000):
        self._hardware.touch("readStreamStatus")
        code = self._hardware.statuses.pop(0) if self._hardware.statuses else CODES["SOAPY_SDR_TIMEOUT"]
        return SimpleNamespace(ret=code, flags=0, timeNs=0)

    def close(self):
        self._hardware.open -= 1
