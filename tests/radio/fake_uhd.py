"""A USRP with the habits of UHD 4.3's Python interface.

``Device`` is the hardware: a clock that passes where somebody waits for it, an ether from its
transmitter to its receivers, faults on demand, and a log. ``Device.module()`` stands in for
``import uhd``; a test compares its names, arguments and codes with the real bindings.
"""

import re
import weakref
from types import SimpleNamespace

import numpy as np
import torch
from fake_uhd_types import (
    MetaRange,
    RXMetadata,
    RXMetadataErrorCode,
    Sensor,
    StreamArgs,
    StreamCMD,
    StreamMode,
    TimeSpec,
    TuneRequest,
    TXAsyncMetadata,
    TXMetadata,
    TXMetadataEventCode,
)

FORMATS = {"fc32"}, {"sc16", "sc12", "sc8"}


RANGES = {
    "tx_gain": MetaRange(0.0, 89.75),
    "rx_gain": MetaRange(0.0, 76.0),
    "tx_freq": MetaRange(50e6, 6e9),
    "rx_freq": MetaRange(50e6, 6e9),
    "tx_bandwidth": MetaRange(200e3, 56e6),
    "rx_bandwidth": MetaRange(200e3, 56e6),
    "rx_rates": MetaRange(200e3, 56e6),
}


class Device:
    """The hardware, whose time passes only where somebody waits.

    Args:
        present: whether it is found.
        channels, transmitters: receive and transmit channels.
        coerce: other values than those asked for, by attribute.
        unlocked: sensors that say no.
        pps: whether pulses come.
        dies_at, interrupted_at: the operation at which it is lost, or the user loses patience.
        takes_at_most: samples per ``send``.
        channel: what lies between transmitter and receivers; none: nothing arrives.
        gaps: ``(position, lost)``: overflow at this sample of the reception.
    """

    def __init__(
        self,
        *,
        present=True,
        channels=2,
        transmitters=1,
        coerce=(),
        unlocked=(),
        pps=True,
        dies_at=None,
        interrupted_at=None,
        takes_at_most=None,
        channel=None,
        gaps=(),
        noise_power=1e-6,
    ):
        self.present, self.channels, self.coerce, self.unlocked = (
            present,
            channels,
            dict(coerce),
            set(unlocked),
        )
        self.transmitters = transmitters
        self.pps, self.dies_at, self.interrupted_at = pps, dies_at, interrupted_at
        self.takes_at_most, self.channel, self.gaps = takes_at_most, channel, list(gaps)
        self.state = {"clock_source": "internal", "time_source": "internal", "master_clock_rate": 16e6}
        self.log, self.bursts, self.heard, self.rx_faults, self.messages = [], [], [], [], []
        self.now, self.streaming, self.position, self.begin = 5.0, False, 0, 0.0
        self.random = np.random.default_rng(3)
        self.noise_power = noise_power
        self.ignore_bursts = False
        self.handles = weakref.WeakSet()

    def module(self):
        types = SimpleNamespace(
            **{
                one.__name__: one
                for one in (
                    StreamMode,
                    StreamCMD,
                    TimeSpec,
                    RXMetadata,
                    RXMetadataErrorCode,
                    TXMetadata,
                    TXAsyncMetadata,
                    TXMetadataEventCode,
                    TuneRequest,
                )
            }
        )

        def multi_usrp(args=""):
            return MultiUSRP(self, args)

        return SimpleNamespace(usrp=SimpleNamespace(MultiUSRP=multi_usrp, StreamArgs=StreamArgs), types=types)

    def sleep(self, seconds):
        self.now += seconds

    def monotonic(self):
        return self.now

    def touch(self, operation):
        if operation == self.interrupted_at:
            self.interrupted_at = None
            raise KeyboardInterrupt
        if operation == self.dies_at:
            self.present = False
        if not self.present:
            raise RuntimeError(
                "EnvironmentError: IOError: usb rx8 transfer status: LIBUSB_TRANSFER_NO_DEVICE"
            )

    def write(self, attribute, value, channel=0):
        self.touch(f"set_{attribute}")
        value = RANGES[attribute]._clipped(value) if attribute in RANGES else value
        self.log.append((attribute, value))
        self.state[attribute, channel] = self.coerce.get(attribute, value)

    def read(self, attribute, channel=0):
        self.touch(f"get_{attribute}")
        return self.state.get((attribute, channel), self.state.get(attribute, 0.0))

    @property
    def rate(self):
        return self.state.get(("rx_rate", 0), self.state.get(("tx_rate", 0)))

    def finish_burst(self, start_s, samples):
        """A burst is over: it goes through the ether, and is acknowledged when it has been on the air."""
        self.bursts.append(samples)
        ends_s = start_s + len(samples) / self.rate
        if start_s <= self.now:
            self.messages.append((self.now, TXMetadataEventCode.time_error))
            return
        if not self.ignore_bursts:
            self.messages.append((ends_s, TXMetadataEventCode.burst_ack))
        if self.channel is not None:
            heard = self.channel.realise(
                torch.from_numpy(samples).reshape(1, -1),
                sample_rate_hz=self.rate,
                occupied_bandwidth_hz=0.8 * self.rate,
                generator=torch.Generator().manual_seed(len(self.bursts)),
            ).samples
            self.heard.append((round((start_s - self.begin) * self.rate), heard.numpy()))

    def ether(self, first, count, channels):
        """What arrives from sample ``first`` of the reception on, ``[channels, count]``."""
        noise = self.random.normal(size=(2, channels, count)) * np.sqrt(self.noise_power / 2)
        received = (noise[0] + 1j * noise[1]).astype(np.complex64)
        for start, samples in self.heard:
            low, high = max(first, start), min(first + count, start + samples.shape[1])
            if low < high:
                received[:, low - first : high - first] += samples[:channels, low - start : high - start]
        return received


def accessor(attribute, argument):
    """``set_X(<argument>, chan=0)`` and ``get_X(chan=0)``, with the library's names."""
    names = {}
    exec(  # the argument's name is part of what is compared
        f"def set_(self, {argument}, chan=0):\n    self._device.write('{attribute}', {argument}, chan)\n",
        names,
    )
    return names["set_"], lambda self, chan=0: self._device.read(attribute, chan)


class MultiUSRP:
    def __init__(self, device, args):
        if not re.search(r"=\S", args):
            raise AssertionError("an empty address searches the network")
        if not device.present:
            listed = "\n    ".join(pair.replace("=", ": ") for pair in args.split(","))
            raise RuntimeError(
                f"LookupError: KeyError: No devices found for ----->\nDevice Address:\n    {listed}\n"
            )
        self._device = device
        device.handles.add(self)

    set_rx_rate, get_rx_rate = accessor("rx_rate", "rate")
    set_tx_rate, get_tx_rate = accessor("tx_rate", "rate")
    set_rx_gain, get_rx_gain = accessor("rx_gain", "gain")
    set_tx_gain, get_tx_gain = accessor("tx_gain", "gain")
    set_rx_antenna, get_rx_antenna = accessor("rx_antenna", "ant")
    set_tx_antenna, get_tx_antenna = accessor("tx_antenna", "ant")
    set_rx_bandwidth, get_rx_bandwidth = accessor("rx_bandwidth", "bandwidth")
    set_tx_bandwidth, get_tx_bandwidth = accessor("tx_bandwidth", "bandwidth")
    _, get_rx_freq = accessor("rx_freq", "freq")
    _, get_tx_freq = accessor("tx_freq", "freq")

    def set_rx_freq(self, tune_request, chan=0):
        self._device.write("rx_freq", tune_request.target_freq, chan)

    def set_tx_freq(self, tune_request, chan=0):
        self._device.write("tx_freq", tune_request.target_freq, chan)

    def set_clock_source(self, source, mboard=0):
        self._device.write("clock_source", source)

    def get_clock_source(self, arg0):
        return self._device.read("clock_source")

    def set_time_source(self, source, mboard=0):
        self._device.write("time_source", source)

    def get_time_source(self, arg0):
        return self._device.read("time_source")

    def set_master_clock_rate(self, rate, mboard=0):
        self._device.write("master_clock_rate", rate)

    def get_master_clock_rate(self, mboard=0):
        return self._device.read("master_clock_rate")

    def get_tx_gain_range(self, chan=0):
        return RANGES["tx_gain"]

    def get_rx_gain_range(self, chan=0):
        return RANGES["rx_gain"]

    def get_rx_freq_range(self, chan=0):
        return RANGES["rx_freq"]

    def get_rx_rates(self, chan=0):
        return RANGES["rx_rates"]

    def get_rx_bandwidth_range(self, chan=0):
        return RANGES["rx_bandwidth"]

    def get_rx_antennas(self, chan=0):
        return ["TX/RX", "RX2"]

    def get_mboard_name(self, mboard=0):
        return "B210"

    def get_rx_subdev_name(self, chan=0):
        return "FE-RX2"

    def get_rx_num_channels(self):
        return self._device.channels

    def get_tx_num_channels(self):
        return self._device.transmitters

    def get_mboard_sensor_names(self, mboard=0):
        return ["ref_locked"]

    def get_mboard_sensor(self, name, mboard=0):
        return Sensor(name not in self._device.unlocked)

    def get_rx_sensor_names(self, chan=0):
        return ["lo_locked", "temp", "rssi"]

    def get_tx_sensor_names(self, chan=0):
        return ["lo_locked", "temp"]

    def get_rx_sensor(self, name, chan=0):
        self._device.touch("sensor")
        return Sensor({"temp": 41.5, "rssi": -63.0}.get(name, f"rx_{name}" not in self._device.unlocked))

    def get_tx_sensor(self, name, chan=0):
        self._device.touch("sensor")
        return Sensor(f"tx_{name}" not in self._device.unlocked)

    def get_time_now(self, mboard=0):
        self._device.touch("time")
        return TimeSpec(self._device.now)

    def set_time_now(self, time_spec, mboard=0):
        self._device.now = time_spec.get_real_secs()

    def set_time_unknown_pps(self, arg0):
        if not self._device.pps:
            raise RuntimeError("RuntimeError: Board 0 may not be getting a PPS signal!")
        self._device.now = arg0.get_real_secs()

    def get_rx_stream(self, arg0):
        return RXStreamer(self._device, arg0, self)

    def get_tx_stream(self, arg0):
        return TXStreamer(self._device, arg0, self)


class Streamer:
    def __init__(self, device, args, keeps_open):
        if args.cpu_format not in FORMATS[0] or args.otw_format not in FORMATS[1]:
            raise RuntimeError("LookupError: KeyError: Cannot find a conversion routine")
        self._device, self._channels, self._keeps_open = device, list(args.channels), keeps_open
        device.log.append(("stream", list(args.channels)))

    def get_num_channels(self):
        return len(self._channels)

    def _check(self, array):
        if (
            array.dtype != np.complex64
            or array.shape[0] != len(self._channels)
            or not array.flags.c_contiguous
        ):
            raise RuntimeError("The number of dimensions of the buffer must match the channels")


class RXStreamer(Streamer):
    def issue_stream_cmd(self, arg0):
        device = self._device
        device.touch("stream_cmd")
        device.streaming = arg0._mode is StreamMode.start_cont
        device.log.append(("streaming", device.streaming))
        if device.streaming:
            if arg0.stream_now and len(self._channels) > 1:
                raise RuntimeError("Invalid recv stream command - stream now on multiple channels")
            device.begin = arg0.time_spec.get_real_secs()
            if device.begin < device.now + 0.05:
                device.rx_faults.append("late")

    def recv(self, np_array, metadata, timeout=0.1):
        device = self._device
        device.touch("recv")
        self._check(np_array)
        metadata.error_code, metadata.has_time_spec = RXMetadataErrorCode.none, False
        if device.rx_faults:
            metadata.error_code = RXMetadataErrorCode[device.rx_faults.pop(0)]
            return 0
        if not device.streaming:
            device.now += timeout
            metadata.error_code = RXMetadataErrorCode.timeout
            return 0
        count = np_array.shape[1]
        if device.gaps:
            position, lost = device.gaps[0]
            if device.position >= position:
                device.gaps.pop(0)
                device.position += lost
                metadata.error_code, metadata.out_of_sequence = RXMetadataErrorCode.overflow, False
                return 0
            count = min(count, position - device.position)
        np_array[:, :count] = device.ether(device.position, count, len(self._channels))
        ticks = device.position
        metadata.has_time_spec, metadata.time_spec = True, TimeSpec(device.begin + ticks / device.rate)
        device.position += count
        device.now = max(device.now, device.begin + device.position / device.rate)
        return count


class TXStreamer(Streamer):
    def __init__(self, device, args, keeps_open):
        super().__init__(device, args, keeps_open)
        self._burst, self._start_s = None, 0.0

    def send(self, np_array, metadata, timeout=0.1):
        device = self._device
        device.touch("send")
        self._check(np_array)
        if (self._burst is None) != metadata.start_of_burst:
            raise AssertionError("a burst begins with start_of_burst, and only there")
        if metadata.start_of_burst:
            assert metadata.has_time_spec, "a burst has a time"
            self._burst, self._start_s = [], metadata.time_spec.get_real_secs()
            device.log.append(("burst", self._start_s - device.now))
        count = min(np_array.shape[1], device.takes_at_most or np_array.shape[1])
        self._burst.append(np_array[0, :count].copy())
        if metadata.end_of_burst:
            device.finish_burst(self._start_s, np.concatenate(self._burst))
            device.log.append(("end_of_burst", None))
            self._burst = None
        return count

    def recv_async_msg(self, async_metadata, timeout=0.1):
        device = self._device
        device.touch("async")
        for index, (due, code) in enumerate(device.messages):
            if due <= device.now:
                device.messages.pop(index)
                async_metadata.event_code = code
                return True
        device.now += timeout
        return False
