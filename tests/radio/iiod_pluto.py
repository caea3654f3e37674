"""The attributes of a PlutoSDR as an IIO context: what it has, refuses, coerces and ignores.

``Phy`` keeps the state; ``context_xml`` describes it in the words of libiio 0.x. Names are those
that pyadi-iio's ``Pluto``, gr-iio and libad9361 ask for; gr-iio and libad9361 go by file name.
"""

import errno
import re
from xml.sax.saxutils import quoteattr

PHY, ADC, DAC = "iio:device0", "iio:device1", "iio:device2"
NAMES = {PHY: "ad9361-phy", ADC: "cf-ad9361-lpc", DAC: "cf-ad9361-dds-core-lpc"}
STATUS_REGISTER = 0x80000088
ADC_OVERFLOW, DAC_UNDERFLOW = 4, 1
SLOWEST_WITHOUT_FIR_HZ, SLOWEST_HZ, FASTEST_HZ = 25_000_000 / 12, 520_833, 61_440_000
_MODES = ("manual", "fast_attack", "slow_attack", "hybrid")
_TONES = ("TX1_I_F1", "TX1_I_F2", "TX1_Q_F1", "TX1_Q_F2", "TX2_I_F1", "TX2_I_F2", "TX2_Q_F1", "TX2_Q_F2")

START = {
    "in_voltage_sampling_frequency": "30720000",
    "in_voltage_rf_bandwidth": "18000000",
    "out_voltage_rf_bandwidth": "18000000",
    "in_out_voltage_filter_fir_en": "0",
    "filter_fir_config": "FIR Rx: 0,0 Tx: 0,0",
    "out_altvoltage0_RX_LO_frequency": "2400000000",
    "out_altvoltage1_TX_LO_frequency": "2450000000",
    "in_temp0_input": "31250",
    "loopback": "0",
    "calib_mode": "auto",
    "ensm_mode": "fdd",
    "in_voltage_quadrature_tracking_en": "1",
    "in_voltage_rf_dc_offset_tracking_en": "1",
    "in_voltage_bb_dc_offset_tracking_en": "1",
    **{
        f"{way}_voltage{one}_{key}": value
        for one in (0, 1)
        for way, key, value in (
            ("in", "gain_control_mode", "slow_attack"),
            ("in", "hardwaregain", "71.000000 dB"),
            ("in", "rssi", "83.25 dB"),
            ("in", "rf_port_select", "A_BALANCED"),
            ("out", "hardwaregain", "-10.000000 dB"),
            ("out", "rf_port_select", "A"),
        )
    },
}
AVAILABLE = {
    "in_voltage0_hardwaregain_available": "[-3 1 71]",
    "out_voltage0_hardwaregain_available": "[-89.750000 0.250000 0.000000]",
    "in_voltage_sampling_frequency_available": "[2083333 1 61440000]",
    "in_voltage_rf_bandwidth_available": "[200000 1 56000000]",
    "out_altvoltage0_RX_LO_frequency_available": "[325000000 1 3800000000]",
}
SHARED = {
    "out_voltage_sampling_frequency": "in_voltage_sampling_frequency",
    "in_voltage_filter_fir_en": "in_out_voltage_filter_fir_en",
    "out_voltage_filter_fir_en": "in_out_voltage_filter_fir_en",
}

# libiio's XML reader complains on stderr where this is missing.
_DTD = "".join(
    [
        "<!DOCTYPE context [<!ELEMENT context (device | context-attribute)*>",
        "<!ELEMENT context-attribute EMPTY><!ELEMENT attribute EMPTY><!ELEMENT debug-attribute EMPTY>",
        "<!ELEMENT device (channel | attribute | debug-attribute)*>",
        "<!ELEMENT channel (scan-element?, attribute*)><!ELEMENT scan-element EMPTY>",
        "<!ATTLIST context name CDATA #REQUIRED version-major CDATA #REQUIRED version-minor CDATA #REQUIRED",
        " version-git CDATA #REQUIRED description CDATA #IMPLIED>",
        "<!ATTLIST context-attribute name CDATA #REQUIRED value CDATA #REQUIRED>",
        "<!ATTLIST device id CDATA #REQUIRED name CDATA #IMPLIED>",
        "<!ATTLIST channel id CDATA #REQUIRED type CDATA #REQUIRED name CDATA #IMPLIED>",
        "<!ATTLIST scan-element index CDATA #REQUIRED format CDATA #REQUIRED>",
        "<!ATTLIST attribute name CDATA #REQUIRED filename CDATA #IMPLIED>",
        "<!ATTLIST debug-attribute name CDATA #REQUIRED>]>",
    ]
)


class Refused(Exception):
    """What the kernel answers with an errno."""

    def __init__(self, number=errno.EINVAL):
        super().__init__(number)
        self.number = number


class Phy:
    """State of the transceiver by file name; ``ignored`` keep their value, ``coerced`` take another."""

    def __init__(self, *, ignored=(), coerced=()):
        self.state, self.written = dict(START), []
        self.ignored, self.coerced = set(ignored), dict(coerced)

    @property
    def rate_hz(self):
        return int(self.state["in_voltage_sampling_frequency"])

    def gain_db(self, file):
        return float(self.state[file].split()[0])

    def read(self, file):
        file = SHARED.get(file, file)
        if file in {"tx_path_rates", "rx_path_rates"}:
            return self._path_rates(file)
        if file in AVAILABLE:
            return AVAILABLE[file]
        if file not in self.state:
            raise Refused(errno.ENOENT)
        return self.state[file]

    def write(self, file, text):
        file = SHARED.get(file, file)
        if file not in self.state or file.endswith(("_rssi", "_input")):
            raise Refused(errno.EACCES if file in self.state else errno.ENOENT)
        value = self._taken(file, text.strip())
        self.written.append((file, value))
        if file not in self.ignored:
            self.state[file] = self.coerced.get(file, value)

    def _path_rates(self, file):
        rate = self.rate_hz
        names = ("BBPLL", "DAC", "T2", "T1", "TF", "TXSAMP")
        if file == "rx_path_rates":
            names = ("BBPLL", "ADC", "R2", "R1", "RF", "RXSAMP")
        factors = (32, 8, 4, 2, 1, 1)
        return " ".join(f"{name}:{factor * rate}" for name, factor in zip(names, factors, strict=True))

    def _taken(self, file, text):
        if file.endswith("_LO_frequency"):
            return str(2 * (between(integer(text), 325e6, 3.8e9) // 2))
        if file == "in_voltage_sampling_frequency":
            filtered = self.state["in_out_voltage_filter_fir_en"] == "1"
            slowest = SLOWEST_HZ if filtered else SLOWEST_WITHOUT_FIR_HZ
            return str(between(integer(text), slowest, FASTEST_HZ))
        if file == "in_voltage_rf_bandwidth":
            return str(between(integer(text), 200e3, 56e6))
        if file == "out_voltage_rf_bandwidth":
            return str(between(integer(text), 200e3, 40e6))
        if not text:  # the connection was cut before the value
            raise Refused(errno.EINVAL)
        if file.endswith("_hardwaregain"):
            return self._gain(file, float(text.split()[0]))
        if file.endswith("_gain_control_mode"):
            return one_of(text, _MODES)
        if file == "in_out_voltage_filter_fir_en":
            return self._fir_switch(text)
        if file == "filter_fir_config":
            return fir_summary(text)
        return text

    def _gain(self, file, gain_db):
        if file.startswith("out"):
            return f"{-0.25 * round(-4 * between(gain_db, -89.75, 0)):.6f} dB"
        mode = self.state[file.replace("hardwaregain", "gain_control_mode")]
        gain_db = round(between(gain_db, -3, 71))
        return f"{gain_db:.6f} dB" if mode == "manual" else self.state[file]

    def _fir_switch(self, text):
        on = text in {"1", "Y", "y"}
        if on and self.state["filter_fir_config"] == START["filter_fir_config"]:
            raise Refused
        if not on and self.rate_hz < SLOWEST_WITHOUT_FIR_HZ:
            raise Refused
        return "1" if on else "0"


def integer(text):
    if not re.fullmatch(r"-?\d+", text):
        raise Refused
    return int(text)


def between(value, low, high):
    if not low <= value <= high:
        raise Refused
    return value


def one_of(text, known):
    if text not in known:
        raise Refused
    return text


def fir_summary(text):
    head = re.search(r"RX 3 GAIN -?\d+ DEC (\d)\s+TX 3 GAIN -?\d+ INT (\d)", text)
    taps = re.findall(r"^-?\d+,-?\d+$", text, flags=re.MULTILINE)
    if not head or not taps or len(taps) > 128 or len(taps) % 16:
        raise Refused
    return f"FIR Rx: {len(taps)},{head[1]} Tx: {len(taps)},{head[2]}"


def _phy_channels(pairs):
    common = ("sampling_frequency", "rf_bandwidth", "filter_fir_en")
    tracking = ("quadrature_tracking_en", "rf_dc_offset_tracking_en", "bb_dc_offset_tracking_en")
    own = {
        "in": ("gain_control_mode", "hardwaregain", "rssi", "rf_port_select"),
        "out": ("hardwaregain", "rf_port_select"),
    }
    for one in range(pairs):
        for way in ("in", "out"):
            files = {key: f"{way}_voltage_{key}" for key in common}
            files |= {key: f"{way}_voltage{one}_{key}" for key in own[way]}
            if way == "in":
                files |= {key: f"in_voltage_{key}" for key in tracking}
            if one == 0:
                files["hardwaregain_available"] = f"{way}_voltage0_hardwaregain_available"
            if (way, one) == ("in", 0):
                shared = ("sampling_frequency_available", "rf_bandwidth_available")
                files |= {key: f"in_voltage_{key}" for key in shared}
            yield way, f"voltage{one}", None, files
    keys = ("frequency", "frequency_available")
    yield "out", "altvoltage0", "RX_LO", {key: f"out_altvoltage0_RX_LO_{key}" for key in keys}
    yield "out", "altvoltage1", "TX_LO", {"frequency": "out_altvoltage1_TX_LO_frequency"}
    yield "in", "temp0", None, {"input": "in_temp0_input"}
    yield "in", "out", None, {"voltage_filter_fir_en": "in_out_voltage_filter_fir_en"}


def channels(pairs):
    """Rows ``(device, way, id, name, {attribute: file}, scan element)`` of a device with so many antennas."""
    rows = [(PHY, *channel, None) for channel in _phy_channels(pairs)]
    for device, way in ((ADC, "in"), (DAC, "out")):
        files = {"sampling_frequency": f"{way}_voltage_sampling_frequency"}
        for index in range(2 * pairs):
            scan = (index, "le:S12/16>>0" if way == "in" else "le:S16/16>>0")
            rows.append((device, way, f"voltage{index}", None, files, scan))
    for index, name in enumerate(_TONES[: 4 * pairs]):
        files = {key: f"out_altvoltage{index}_{name}_{key}" for key in ("raw", "scale", "frequency", "phase")}
        rows.append((DAC, "out", f"altvoltage{index}", name, files, None))
    return rows


def _channel_xml(way, name_id, name, files, scan):
    label = f" name={quoteattr(name)}" if name else ""
    kind = "input" if way == "in" else "output"
    lines = [f'<channel id="{name_id}"{label} type="{kind}">']
    if scan is not None:
        lines.append(f'<scan-element index="{scan[0]}" format={quoteattr(scan[1])} />')
    lines += [f'<attribute name="{key}" filename="{file}" />' for key, file in files.items()]
    return "".join([*lines, "</channel>"])


def context_xml(pairs):
    """The whole context, in one line as iiod sends it."""
    own = {
        PHY: ("calib_mode", "ensm_mode", "filter_fir_config", "tx_path_rates", "rx_path_rates"),
        ADC: (),
        DAC: (),
    }
    debug = {PHY: ("loopback", "direct_reg_access"), ADC: ("direct_reg_access",), DAC: ("direct_reg_access",)}
    parts = [
        '<?xml version="1.0" encoding="utf-8"?>',
        _DTD,
        '<context name="local" version-major="0" version-minor="24" version-git="standin" '
        'description="stand-in for a PlutoSDR">',
        '<context-attribute name="hw_model" value="PlutoSDR stand-in" />',
        '<context-attribute name="fw_version" value="v0.38-standin" />',
    ]
    rows = channels(pairs)
    for device, name in NAMES.items():
        parts.append(f'<device id="{device}" name="{name}">')
        parts += [_channel_xml(*row[1:]) for row in rows if row[0] == device]
        parts += [f'<attribute name="{key}" />' for key in own[device]]
        parts += [f'<debug-attribute name="{key}" />' for key in debug[device]]
        parts.append("</device>")
    return "".join([*parts, "</context>"])
