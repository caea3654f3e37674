"""The structures and codes of ``uhd.types`` and ``uhd.usrp``, as far as the driver touches them."""

import enum


class StreamMode(enum.Enum):
    start_cont = ord("a")
    stop_cont = ord("o")
    num_done = ord("d")
    num_more = ord("m")


class RXMetadataErrorCode(enum.Enum):
    none = 0
    timeout = 1
    late = 2
    broken_chain = 4
    overflow = 8
    alignment = 12
    bad_packet = 15


class TXMetadataEventCode(enum.Enum):
    burst_ack = 1
    underflow = 2
    seq_error = 4
    time_error = 8
    underflow_in_packet = 16
    seq_error_in_packet = 32
    user_payload = 64


class TimeSpec:
    def __init__(self, *parts):
        seconds = parts[0] + (parts[1] if len(parts) > 1 else 0.0)
        self._full = int(seconds // 1) if len(parts) == 1 else parts[0]
        self._fraction = seconds % 1 if len(parts) == 1 else parts[1]

    def get_full_secs(self):
        return self._full

    def get_frac_secs(self):
        return self._fraction

    def get_real_secs(self):
        return self._full + self._fraction


class Slotted:
    """pybind's classes take no attributes but their own."""

    def __setattr__(self, name, value):
        if not name.startswith("_") and not hasattr(type(self), name):
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")
        super().__setattr__(name, value)


class StreamCMD(Slotted):
    num_samps, stream_now, time_spec = 0, True, TimeSpec(0.0)

    def __init__(self, arg0):
        self._mode = arg0


class StreamArgs(Slotted):
    args, channels, cpu_format, otw_format = "", [], "", ""

    def __init__(self, arg0, arg1):
        self.cpu_format, self.otw_format = arg0, arg1


class RXMetadata(Slotted):
    error_code, has_time_spec, out_of_sequence, time_spec = (
        RXMetadataErrorCode.none,
        False,
        False,
        TimeSpec(0.0),
    )


class TXMetadata(Slotted):
    start_of_burst, end_of_burst, has_time_spec, time_spec = False, False, False, TimeSpec(0.0)


class TXAsyncMetadata(Slotted):
    event_code, has_time_spec, time_spec, channel = TXMetadataEventCode.burst_ack, False, TimeSpec(0.0), 0


class TuneRequest:
    def __init__(self, target_freq=0.0):
        self.target_freq = target_freq


class Sensor:
    def __init__(self, value):
        self._value = value

    def to_bool(self):
        return bool(self._value)

    def to_real(self):
        return float(self._value)


class MetaRange:
    def __init__(self, low, high):
        self._low, self._high = low, high

    def start(self):
        return self._low

    def stop(self):
        return self._high

    def _clipped(self, value):
        return min(max(value, self._low), self._high)
