import pytest
import torch

from sdrjscc.channel.chain import Config as ChainConfig
from sdrjscc.channel.chain import build as build_chain
from sdrjscc.errors import SignalError
from sdrjscc.radio.loopback import Config, build


def noise(length, seed=5):
    return torch.randn(length, dtype=torch.complex64, generator=torch.Generator().manual_seed(seed))


def loopback(snr_db=None, **options):
    channel = None if snr_db is None else build_chain(ChainConfig(snr_db=snr_db, lead_samples=100))
    return build(Config(**options), channel=channel, occupied_share=0.8)


def received(radio):
    chunks = []
    while (reception := radio.receive()) is not None:
        assert reception.dropped == 0
        chunks.append(reception.samples)
    return torch.cat(chunks, dim=-1)


def test_without_a_channel_what_was_sent_arrives_in_order():
    with loopback() as radio:
        radio.transmit(noise(300))
        radio.transmit(noise(200, seed=6))
        samples = received(radio)
    assert torch.equal(samples, torch.cat([noise(300), noise(200, seed=6)])[None])


def test_nothing_was_sent_nothing_comes():
    with loopback() as radio:
        assert radio.receive() is None


def test_every_antenna_hears_it():
    with loopback(antennas=3) as radio:
        radio.transmit(noise(50))
        assert torch.equal(received(radio), noise(50).expand(3, -1))


@pytest.mark.parametrize(("length", "chunk", "sizes"), [(10, 4, [4, 4, 2]), (8, 4, [4, 4]), (3, 4, [3])])
def test_chunks_have_the_size_asked_for(length, chunk, sizes):
    with loopback(chunk_samples=chunk) as radio:
        radio.transmit(noise(length))
        assert [radio.receive().samples.shape[-1] for _ in sizes] == sizes
        assert radio.receive() is None


def test_the_chunk_size_changes_no_sample():
    streams = []
    for chunk in (7, 100_000):
        with loopback(snr_db=3.0, chunk_samples=chunk) as radio:
            radio.transmit(noise(1000))
            streams.append(received(radio))
    assert torch.equal(*streams)


def test_one_seed_is_one_sequence_of_realisations():
    streams = []
    for seed in (1, 1, 2):
        with loopback(snr_db=3.0, seed=seed) as radio:
            radio.transmit(noise(1000))
            first = received(radio)
            radio.transmit(noise(1000))
            streams.append(torch.stack([first, received(radio)]))
    assert torch.equal(streams[0], streams[1])
    assert not torch.equal(streams[0], streams[2])
    assert not torch.equal(streams[0][0], streams[0][1])


def test_a_realisation_depends_on_its_number_not_on_what_was_sent_before():
    def second_noise(first_length):
        with loopback(snr_db=3.0) as radio:
            radio.transmit(noise(first_length))
            received(radio)
            radio.transmit(noise(500, seed=9))
            return received(radio)

    assert torch.equal(second_noise(10), second_noise(2000))


def test_the_global_random_state_stays_as_it_was():
    before = torch.random.get_rng_state()
    with loopback(snr_db=3.0) as radio:
        radio.transmit(noise(1000))
    assert torch.equal(before, torch.random.get_rng_state())


def test_the_truth_about_the_last_transmission_is_kept():
    with loopback(snr_db=20.0) as radio:
        assert radio.last_realisation is None
        radio.transmit(noise(20_000))
        truth = radio.last_realisation
    assert truth.delay_samples == pytest.approx(100.0)
    # 20 dB over 0.8 of the band: the noise of the whole band is 1/0.8 of that
    assert truth.noise_var == pytest.approx(truth.signal_power / 100 / 0.8, rel=1e-3)


def test_leaving_forgets_what_was_not_received():
    radio = loopback()
    with radio:
        radio.transmit(noise(10))
    assert radio.receive() is None


@pytest.mark.parametrize("samples", [torch.zeros(4), torch.zeros(1, 4, dtype=torch.complex64)])
def test_only_complex_vectors_are_sent(samples):
    with loopback() as radio, pytest.raises(SignalError, match="must be a complex vector"):
        radio.transmit(samples)


def test_one_end_sees_the_configured_clock_and_carrier():
    radio = loopback(sample_rate_hz=2e6, center_frequency_hz=0.9e9, clock_ppm=3.0, antennas=2)
    assert (radio.sample_rate_hz, radio.center_frequency_hz, radio.clock_ppm, radio.antennas) == (
        2e6,
        0.9e9,
        3.0,
        2,
    )
