"""Bench measurements against a radio whose best gain, noise floor and clock are known by construction."""

import math
from dataclasses import replace

import bench_radio
import pytest
import torch
from bench_radio import CFO_PPM, LOSS_DB, QUANTISATION, THERMAL, link_table

from sdrjscc.config import read_toml
from sdrjscc.errors import ConfigError, RadioError
from sdrjscc.link import bench
from sdrjscc.link.session import Link
from sdrjscc.linkfile import load_link, parse_link

SHARE_DB = 10 * math.log10(52 / 64)  # occupied carriers of the default waveform


@pytest.fixture(scope="module")
def sources():
    return bench.sample_sources(1, side=64)


@pytest.fixture(scope="module")
def points(sources):
    config = parse_link(link_table())
    return [bench.measure_gain(bench.with_gain(config, "rx", gain), sources) for gain in (6, 18, 24, 42)]


@pytest.mark.parametrize("index", range(4))
def test_noise_floor_is_that_of_amplifier_and_converter(points, index):
    point = points[index]
    expected = 10 ** (point.rx_gain_db / 10) * THERMAL + QUANTISATION
    # the median of 64 blocks of 1024 samples: 10 log10(1 + 1.25 / sqrt(65536)) is 0.02 dB rms
    assert point.noise_dbfs == pytest.approx(10 * math.log10(expected), abs=0.1)
    assert point.busiest_db < 1.0
    assert point.dc_dbfs < point.noise_dbfs - 30


@pytest.mark.parametrize("index", range(3))
def test_level_and_snr_are_those_of_the_gain(points, index):
    point = points[index]
    assert point.level_dbfs == pytest.approx(point.rx_gain_db - 10.0 - LOSS_DB, abs=0.2)
    wanted = bench_radio.snr_db(point.rx_gain_db) - SHARE_DB
    assert point.snr_db == pytest.approx(wanted, abs=0.4)
    assert point.pilot_snr_db == pytest.approx(wanted, abs=0.5)
    assert (point.saturated, point.packets_received) == (0, point.packets_sent)


def test_saturation_is_found(points):
    assert points[3].saturated > 1000
    assert not points[3].usable
    assert points[3].snr_db < points[2].snr_db - 5


def test_the_lowest_gain_near_the_best_is_chosen(points):
    # by construction 18 dB costs 0.47 dB against 24, and 6 dB costs 5.3
    assert bench_radio.snr_db(24) - bench_radio.snr_db(18) < 0.5
    flat = [replace(one, snr_db=bench_radio.snr_db(one.rx_gain_db)) for one in points]
    assert bench.choose(flat) is flat[1]
    assert bench.choose([flat[0], flat[2]]) is flat[2]
    assert bench.choose(flat[3:]) is None
    lost = replace(flat[1], packets_received=0)
    assert bench.choose([lost, flat[2]]) is flat[2]


def test_steps_hold_both_ends():
    assert bench.steps(0, 12) == [0, 6, 12]
    assert bench.steps(-3, 7) == [-3, 3, 7]


def test_a_transmit_gain_stays_under_its_cap():
    config = parse_link(link_table())
    assert bench.with_gain(config, "tx", -5.0).radios.tx["tx_gain_db"] == -5.0
    with pytest.raises(
        ConfigError, match=r"^a transmit gain must be at most tx_gain_max_db = -5 \(got -4\)$"
    ):
        bench.with_gain(config, "tx", -4.0)
    with pytest.raises(ConfigError, match="tx_gain_max_db"):
        bench.with_gain(load_link("loopback"), "tx", -4.0)


def test_a_radio_without_gain_is_refused():
    with pytest.raises(ConfigError, match=r"^radios.tx must be a radio with a receive gain.*'loopback'"):
        bench.need_gain(load_link("loopback"))
    with pytest.raises(ConfigError, match=r"^radios.rx must be a radio with a receive gain.*'virtual'"):
        bench.need_gain(load_link("virtual"))
    bench.need_gain(load_link("pluto-pair"))


def test_range_is_the_devices_else_the_configurations(monkeypatch):
    table = bench.radio_table(parse_link(link_table()), "rx")
    monkeypatch.setattr(bench_radio.SEEN, "highest_db", 33.0)
    assert bench.gain_range(table) == (0.0, 33.0)
    monkeypatch.setattr(bench_radio, "build", lambda config, **_: bench_radio.Taciturn(config))
    assert bench.gain_range(table) == (0.0, 60.0)


def test_a_probe_only_receives(monkeypatch):
    monkeypatch.setattr(bench_radio.SEEN, "opened", [])
    table = bench.receiving_table({"name": "bench_radio:build"}, address="bench:7")
    found = bench.probe(table)
    (opened,) = bench_radio.SEEN.opened
    assert (opened.end, opened.uri) == ("receive", "bench:7")
    assert found.capabilities == {"rx_gain_db": (0.0, 60.0), "connector": "SMA"}
    assert found.level_dbfs == pytest.approx(10 * math.log10(100 * THERMAL + QUANTISATION), abs=0.2)
    assert found.status.temperature_c == 31.5


def test_what_a_profile_leaves_open_is_filled_in_but_never_an_address():
    table = bench.receiving_table({"profile": "pluto_ad9363"}, address="ip:10.0.0.9")
    assert (table["uri"], table["end"], table["rx_gain_db"]) == ("ip:10.0.0.9", "receive", 40.0)
    assert table["center_frequency_hz"] == 2.45e9
    sender = bench.receiving_table(load_link("pluto-pair").radios.tx)
    assert (sender["uri"], sender["end"], sender["rx_gain_db"]) == ("ip:192.168.2.1", "receive", 40.0)
    automatic = bench.receiving_table({"name": "pluto", "gain_mode": "slow_attack"}, address="ip:10.0.0.9")
    assert "rx_gain_db" not in automatic
    with pytest.raises(ConfigError, match=r"uri is required"):
        bench.receiving_table({"name": "pluto"})
    with pytest.raises(ConfigError, match=r"^an address must be given to a radio that takes one"):
        bench.receiving_table({"name": "loopback"}, address="ip:10.0.0.9")


def test_an_absent_device_says_so_itself():
    with pytest.raises(RadioError, match=r"^bench radio at bench:absent must be there"):
        bench.probe(bench.receiving_table({"name": "bench_radio:build"}, address="bench:absent"))


def two_devices():
    radio = link_table()["radios"]["tx"]
    ends = {"tx": {**radio, "uri": "bench:2"}, "rx": {**radio, "uri": "bench:1"}}
    return parse_link({**link_table(), "radios": ends})


def test_clock_offset_of_two_devices(points):
    clock = bench.clock_offset(two_devices(), points)
    assert clock.carrier_ppm == pytest.approx(CFO_PPM, abs=0.01)
    assert clock.sampling_ppm == pytest.approx(CFO_PPM, abs=1.0)
    assert not clock.shared
    assert CFO_PPM + 3 <= clock.covering_ppm <= CFO_PPM + 5
    negative = [replace(one, cfo_hz=tuple(-value for value in one.cfo_hz)) for one in points]
    assert bench.clock_offset(two_devices(), negative).covering_ppm == clock.covering_ppm


def test_saturated_points_say_nothing_of_the_clocks(points):
    wrong = replace(points[3], cfo_hz=(1e6,), sco_ppm=(90.0,))
    clock = bench.clock_offset(two_devices(), [*points[:3], wrong])
    assert clock.carrier_ppm == pytest.approx(CFO_PPM, abs=0.01)
    nothing = replace(points[0], cfo_hz=(), sco_ppm=())
    assert bench.clock_offset(two_devices(), [nothing]) is None


def test_one_device_keeps_the_accuracy_that_its_table_says(points, tmp_path):
    config = parse_link(link_table())
    clock = bench.clock_offset(config, points)
    assert clock.shared
    path = tmp_path / "local.toml"
    path.write_text(bench.profile_text(config, points, points[1], clock, measured_at="today"))
    assert read_toml(path)["clock_ppm"] == 20.0
    same = parse_link({**link_table(), "radios": {end: link_table()["radios"]["tx"] for end in ("tx", "rx")}})
    assert bench.clock_offset(same, points).shared


def test_a_profile_is_read_back_by_a_link(points, tmp_path):
    config = two_devices()
    clock = bench.clock_offset(config, points)
    path = tmp_path / "bench.local.toml"
    path.write_text(bench.profile_text(config, points, points[1], clock, measured_at="2026-01-02 03:04"))
    table = {"profile": str(path), "center_frequency_hz": 1e9, "end": "receive"}
    link = parse_link({**link_table(), "radios": {"tx": config.radios.tx, "rx": table}})
    assert link.radios.rx["rx_gain_db"] == 18.0
    assert link.radios.rx["clock_ppm"] == clock.covering_ppm
    assert link.radios.rx["uri"] == "bench:1"
    assert not {"center_frequency_hz", "end"} & set(read_toml(path))
    text = path.read_text()
    assert "2026-01-02 03:04" in text
    assert f"{clock.carrier_ppm:+.3f} ppm" in text
    assert sum("<- chosen" in line for line in text.splitlines()) == 1


def test_bursts_of_others_do_not_move_the_floor():
    generator = torch.Generator().manual_seed(5)
    samples = 1e-2 * torch.randn(2, 64 * 1024, dtype=torch.complex64, generator=generator) + 0.1
    samples[:, 3000:9000] += torch.randn(2, 6000, dtype=torch.complex64, generator=generator)
    heard = bench.silence(samples)
    assert heard.noise_dbfs == pytest.approx(-40.0, abs=0.2)
    assert heard.dc_dbfs == pytest.approx(-20.0, abs=0.1)
    assert heard.busiest_db > 15
    assert bench.silence(samples[:, :1000]) is None
    assert bench.silence(torch.zeros(1, 2048, dtype=torch.complex64)).noise_dbfs == -math.inf


def test_a_link_listens_only_while_it_is_open():
    link = Link(parse_link(link_table()))
    with pytest.raises(ConfigError, match="before it listens"):
        link.listen(10)
    with link:
        assert link.listen(40_000).shape == (1, 40_000)
        before = link.receiving.receiver.position
        link.listen(10_000)
        assert link.receiving.receiver.position == before + 16_384  # the stream's position goes on
    with Link(load_link("loopback")) as loopback:
        assert loopback.listen(1000).shape == (1, 0)


def test_no_pictures_are_refused():
    with pytest.raises(ConfigError, match=r"^pictures must be at least 1 \(got 0\)$"):
        bench.sample_sources(0)
    assert len({one.picture.name for one in bench.sample_sources(10, side=32)}) == 8
