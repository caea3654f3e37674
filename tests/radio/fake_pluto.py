"""A PlutoSDR with the habits of pyadi-iio 0.0.21 over libiio 0.x, good and bad.

``Device`` is the hardware: it outlives the connections and keeps a log. ``Device.connect`` stands
in for ``adi.Pluto``; what it returns has that class's attributes, and refuses, coerces, ignores,
wraps and dies as the real one does.
"""

import errno
import os
import re
import warnings
import weakref
from types import SimpleNamespace

import numpy as np

KERNEL_BUFFERS = 4
STALE_CODE = 2047
LIMITS = {
    "rx_lo": (325e6, 3.8e9),
    "tx_lo": (325e6, 3.8e9),
    "rx_rf_bandwidth": (200e3, 56e6),
    "tx_rf_bandwidth": (200e3, 40e6),
    "sample_rate": (521e3, 61.44e6),
    "rx_hardwaregain_chan0": (-3, 71),
    "tx_hardwaregain_chan0": (-89.75, 0),
}
DEFAULTS = {
    "rx_lo": 2_400_000_000,
    "tx_lo": 2_450_000_000,
    "rx_rf_bandwidth": 18_000_000,
    "tx_rf_bandwidth": 18_000_000,
    "sample_rate": 30_720_000,
    "rx_hardwaregain_chan0": 71,
    "tx_hardwaregain_chan0": -10,
    "gain_control_mode_chan0": "slow_attack",
}


def os_error(number):
    return OSError(number, os.strerror(number))


class Device:
    """The hardware.

    ``coerce`` gives other values than were asked for, ``ignore`` keeps what was, ``dies_at`` names
    the operation (``tx``, ``rx`` or an attribute) at which the server dies, ``interrupted_at`` the
    one at which the user loses patience. ``buffers`` are those that nobody has let go of.
    """

    def __init__(self, *, present=True, coerce=(), ignore=(), dies_at=None, interrupted_at=None, source=None):
        self.present, self.coerce, self.ignore, self.dies_at = present, dict(coerce), set(ignore), dies_at
        self.interrupted_at, self.source = interrupted_at, source
        self.buffers = weakref.WeakSet()
        self.state = dict(DEFAULTS)
        self.tones = True
        self.dead = False
        self.log = []
        self.sent = []

    def connect(self, uri=""):
        return FakePluto(self, uri)

    def module(self):
        return SimpleNamespace(Pluto=self.connect)

    def touch(self, operation):
        """Every operation goes over the wire, and may find the server dead."""
        if operation == self.interrupted_at:
            raise KeyboardInterrupt
        self.dead = self.dead or operation == self.dies_at
        if self.dead:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))

    def write(self, attribute, value):
        self.touch(attribute)
        self.log.append((attribute, value))
        low, high = LIMITS.get(attribute, (None, None))
        if low is not None and not low <= value <= high:
            raise os_error(errno.EINVAL)
        if attribute not in self.ignore:
            self.state[attribute] = self.coerce.get(attribute, value)

    def read(self, attribute):
        self.touch(attribute)
        return self.state[attribute]


def integer(attribute):
    def set_integer(self, value):
        if not isinstance(value, int):
            raise Exception("Value must be an int")
        self._device.write(attribute, value)

    return property(lambda self: self._device.read(attribute), set_integer)


class FakePluto:
    rx_lo = integer("rx_lo")
    tx_lo = integer("tx_lo")
    rx_rf_bandwidth = integer("rx_rf_bandwidth")
    tx_rf_bandwidth = integer("tx_rf_bandwidth")

    def __init__(self, device, uri):
        if not uri:
            raise os_error(26)
        if not device.present:
            raise Exception("No device found")
        self._device, self.uri = device, uri
        self.ctx = Context()
        self.rx_buffer_size = 1024
        self._cyclic = False
        self._rx_buffer = self._tx_buffer = None

    @property
    def sample_rate(self):
        return self._device.read("sample_rate")

    @sample_rate.setter
    def sample_rate(self, rate):
        if rate < 521e3:
            raise ValueError("Error: Does not currently support sample rates below 521e3")
        if not re.fullmatch(r"\d+", str(rate)):  # the kernel reads whole numbers only
            raise os_error(errno.EINVAL)
        self._device.write("sample_rate", rate)

    @property
    def gain_control_mode_chan0(self):
        return self._device.read("gain_control_mode_chan0")

    @gain_control_mode_chan0.setter
    def gain_control_mode_chan0(self, mode):
        self._device.write("gain_control_mode_chan0", mode)

    @property
    def rx_hardwaregain_chan0(self):
        return self._device.read("rx_hardwaregain_chan0")

    @rx_hardwaregain_chan0.setter
    def rx_hardwaregain_chan0(self, gain):
        if self.gain_control_mode_chan0 == "manual":
            self._write_float("rx_hardwaregain_chan0", gain)

    @property
    def tx_hardwaregain_chan0(self):
        return self._device.read("tx_hardwaregain_chan0")

    @tx_hardwaregain_chan0.setter
    def tx_hardwaregain_chan0(self, gain):
        self._write_float("tx_hardwaregain_chan0", gain)

    @property
    def tx_cyclic_buffer(self):
        return self._cyclic

    @tx_cyclic_buffer.setter
    def tx_cyclic_buffer(self, cyclic):
        if self._tx_buffer:
            raise Exception("TX buffer already created, buffer must be destroyed then recreated")
        self._cyclic = cyclic

    def disable_dds(self):
        self._device.touch("disable_dds")
        self._device.tones = False

    def tx(self, samples):
        if self._cyclic and self._tx_buffer:
            raise Exception("TX buffer has been submitted in cyclic mode.")
        if not self._tx_buffer:
            self._tx_buffer = Buffer(self._device, len(samples))
            self._device.log.append(("tx_buffer", len(samples)))
        if len(samples) != self._tx_buffer.length:
            raise Exception(
                "Buffer length different than data length. Cannot change buffer length on the fly"
            )
        self._tx_buffer.push(samples)

    def tx_destroy_buffer(self):
        self._tx_buffer = None
        self._device.log.append(("tx_destroy_buffer", None))

    def rx(self):
        if not self._rx_buffer:
            self._rx_buffer = Buffer(self._device, self.rx_buffer_size)
        return self._rx_buffer.refill()

    def rx_destroy_buffer(self):
        self._rx_buffer = None
        self._device.log.append(("rx_destroy_buffer", None))

    def _write_float(self, attribute, value):
        if not isinstance(value, float | int):
            raise Exception("Value must be a float")
        self._device.write(attribute, float(value))


class Context:
    """libiio's context, of firmware that tells nothing beyond what pyadi-iio needs."""

    attrs = {}

    def set_timeout(self, milliseconds):
        assert isinstance(milliseconds, int)

    def find_device(self, name):
        return None


class Buffer:
    """A libiio buffer: of one length, and there until the last reference to it is gone."""

    def __init__(self, device, length):
        self._device, self.length, self._stale = device, length, KERNEL_BUFFERS
        device.buffers.add(self)

    def push(self, samples):
        self._device.touch("tx")
        self._device.log.append(("tx", len(samples)))
        self._device.sent.append(wrapped(np.real(samples)) + 1j * wrapped(np.imag(samples)))

    def refill(self):
        self._device.touch("rx")
        if self._stale:
            self._stale -= 1
            return np.full(self.length, STALE_CODE, dtype=np.complex128)
        if self._device.source is not None:
            return self._device.source(self.length)
        return np.arange(self.length) % 2048 - 1024 + 1j * np.full(self.length, -2048)


def wrapped(values):
    """The library's cast to int16: cuts off fractions, wraps around, only warns at NaN."""
    if np.isnan(values).any():
        warnings.warn("invalid value encountered in cast", RuntimeWarning, stacklevel=2)
        values = np.nan_to_num(values)
    return values.astype(np.int64).astype(np.int16).astype(np.float64)
