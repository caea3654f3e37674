"""Profiles hold what their radio takes, keep within what receivers survive, and leave room for clocks."""

import re
import tomllib

import pytest

from sdrjscc import plugins
from sdrjscc.bundled import bundled_files, bundled_folder
from sdrjscc.config import validate
from sdrjscc.errors import ConfigError
from sdrjscc.linkfile import parse_link
from sdrjscc.receive.acquire import cfo_range
from sdrjscc.waveform.ofdm import Config as OfdmConfig
from sdrjscc.waveform.ofdm import Ofdm

PROFILES = {path.stem: path for path in bundled_files("hardware", "*.toml").values()}
AIR = sorted(name for name in PROFILES if not name.endswith("_cable"))
CABLE = sorted(set(PROFILES) - set(AIR))
ATTENUATION_DB = 30.0

# By bench.md: highest transmit gain in dB, a full-scale sine's level there in dBm, what a receiver takes
# in dBm, and the highest carrier that the device tunes to.
LIMITS = {
    "pluto_ad9363": (0.0, 7.0, 2.5, 3.8e9),
    "pluto_ad9364": (0.0, 7.0, 2.5, 6e9),
    "usrp_b200mini": (89.75, 20.0, -15.0, 6e9),
    "usrp_b210": (89.75, 20.0, -15.0, 6e9),
    "usrp_e320": (89.75, 20.0, -15.0, 6e9),
    "usrp_n210": (31.5, 20.0, -15.0, 6e9),
    "usrp_x310": (31.5, 20.0, -15.0, 6e9),
}


def profile(name):
    return tomllib.loads(PROFILES[name].read_text())


def config(name, **changes):
    options = {"center_frequency_hz": 2.45e9} | profile(name) | changes
    radio = options.pop("name")
    return validate(plugins.load("radio", radio).config, options, name)


def of(name):
    return LIMITS[name.removesuffix("_cable")]


def test_every_device_has_a_profile_for_the_air_and_one_for_the_cable():
    assert set(LIMITS).symmetric_difference(AIR) == set()
    assert [f"{name}_cable" for name in AIR] == CABLE


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_is_what_its_radio_takes(name):
    made = config(name)
    assert made.device
    assert made.rx_gain_db is not None
    assert made.tx_gain_db <= made.tx_gain_max_db


@pytest.mark.parametrize("name", PROFILES)
def test_a_gain_above_the_cap_is_refused(name):
    most = profile(name)["tx_gain_max_db"]
    config(name, tx_gain_db=most)
    with pytest.raises(ConfigError, match=r"tx_gain_db must be at most tx_gain_max_db"):
        config(name, tx_gain_db=most + 0.5)


@pytest.mark.parametrize("name", AIR)
def test_nothing_is_transmitted_without_a_carrier_of_the_users_own(name):
    assert "center_frequency_hz" not in profile(name)
    with pytest.raises(ConfigError, match="center_frequency_hz is required"):
        parse_link({"codec": {"name": "dsc_jscc"}, "radios": {"tx": {"profile": name}}})
    link = parse_link(
        {"codec": {"name": "dsc_jscc"}, "radios": {"tx": {"profile": name, "center_frequency_hz": 2.4e9}}}
    )
    assert link.radios.tx["tx_gain_max_db"] == profile(name)["tx_gain_max_db"]


@pytest.mark.parametrize("name", CABLE)
def test_a_cable_profile_differs_in_carrier_and_gains_only(name):
    air, cable = profile(name.removesuffix("_cable")), profile(name)
    own = {key for key in cable if cable[key] != air.get(key)}
    assert own <= {"device", "center_frequency_hz", "tx_gain_db", "rx_gain_db"}
    assert {"device", "center_frequency_hz"} <= own


@pytest.mark.parametrize("name", CABLE)
def test_no_allowed_gain_can_hurt_a_receiver_behind_the_attenuator(name):
    highest_db, level_dbm, survives_dbm, _ = of(name)
    arrives_dbm = level_dbm - (highest_db - profile(name)["tx_gain_max_db"]) - ATTENUATION_DB
    assert arrives_dbm <= survives_dbm - 9.0


@pytest.mark.parametrize("name", AIR)
def test_what_is_radiated_is_weak_unless_asked_for(name):
    highest_db, level_dbm, _, _ = of(name)
    made = config(name)
    assert level_dbm - (highest_db - made.tx_gain_db) + made.tx_dbfs < -20.0


@pytest.mark.parametrize("name", PROFILES)
def test_the_rate_leaves_room_for_the_clocks_at_the_highest_carrier(name):
    made = config(name)
    occupied = Ofdm(OfdmConfig()).occupied_bandwidth_hz(1.0)
    highest_hz = of(name)[3]
    assert 0 < cfo_range(made.clock_ppm, highest_hz, made.sample_rate_hz, occupied) < 0.5


@pytest.mark.parametrize("name", AIR)
def test_the_readme_lists_the_profile_as_it_is(name):
    (row,) = re.findall(
        rf"^\| `{name}` \|(.*)\|$", (bundled_folder("hardware") / "README.md").read_text(), re.M
    )
    made = config(name)
    numbers = [float(one) for one in re.findall(r"-?\d+(?:\.\d+)?", row.split("|", 1)[1])]
    assert numbers == [
        made.sample_rate_hz / 1e6,
        made.clock_ppm,
        made.tx_gain_db,
        made.tx_gain_max_db,
        made.rx_gain_db,
    ]


def test_the_bench_states_the_limits_that_are_tested():
    text = (bundled_folder("hardware") / "bench.md").read_text()
    for highest_db, level_dbm, survives_dbm, _ in LIMITS.values():
        assert f"{level_dbm:+g} dBm at {highest_db:g} dB" in text
        assert f"{survives_dbm:+g} dBm" in text


def test_udev_rules_grant_to_whoever_sits_there_before_seats_are_assigned():
    rules = bundled_files("hardware", "udev/*.rules")
    assert len(rules) == 2
    for name, path in rules.items():
        assert int(name.removeprefix("udev/")[:2]) < 73
        lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
        pattern = r'SUBSYSTEM=="usb", ATTRS\{idVendor\}=="[0-9a-f]{4}", .*TAG\+="uaccess"'
        assert all(re.fullmatch(pattern, line) for line in lines)
    vendors = set(re.findall(r'idVendor\}=="(\w{4})"', "".join(path.read_text() for path in rules.values())))
    assert vendors == {"0456", "2500", "3923", "fffe"}
