"""Equalising, and what is done to samples first."""

import torch

from sdrjscc.receive.condition import BLOCK, Conditioner
from sdrjscc.receive.equalise import Turn, combining_weights, data_symbols
from sdrjscc.waveform.base import phasor
from sdrjscc.waveform.ofdm import Config, build


def draw(*shape, seed=0):
    return torch.randn(shape, dtype=torch.complex64, generator=torch.Generator().manual_seed(seed))


def corrected(conditioner, samples):
    out = torch.empty_like(samples)
    conditioner.correct(samples, out)
    return out


def equalised(cells, channel, noise_var, *, error=None, turn=None, phase_var=None):
    """Data symbols of cells [B, A, M, C] put into spectra, and the grid."""
    batch, symbols = cells.shape[0], cells.shape[2]
    grid = build(Config(payload_ofdm_symbols=symbols)).payload
    spectra = torch.zeros(*cells.shape[:3], grid.fft_size, dtype=torch.complex64)
    spectra[..., grid.bins] = cells
    weights, variance = combining_weights(
        channel, torch.zeros(channel.shape) if error is None else error, noise_var
    )
    still = torch.zeros(batch, symbols, dtype=torch.float64)
    turn = Turn(still, still) if turn is None else turn
    phase_var = torch.zeros(batch, symbols) if phase_var is None else phase_var
    return (*data_symbols(spectra, weights, variance, turn, phase_var, grid), grid)


def test_combining_is_unbiased_with_the_variance_it_reports():
    symbols, channel = draw(1, 400, 208, seed=1), draw(1, 3, 1, 208, seed=2)
    noise_var = torch.tensor([[0.1, 0.3, 1.0]])
    cells = channel * symbols[:, None] + draw(1, 3, 400, 208, seed=3) * noise_var.sqrt()[..., None, None]
    got, reported, grid = equalised(cells, channel, noise_var)
    error = (got - grid.data_of(symbols)).abs().square()
    assert torch.allclose((error / reported).mean(), torch.tensor(1.0), rtol=0.02)
    assert torch.allclose(error.mean(), reported.mean(), rtol=0.05)
    by_carrier = torch.zeros(208).index_add(0, grid.data_index.flatten(), (error / reported).flatten())
    # 385 exponential errors a carrier: 5 % standard deviation.
    assert torch.allclose(by_carrier / torch.bincount(grid.data_index.flatten()), torch.ones(208), rtol=0.25)


def test_the_error_of_the_channel_estimate_counts_as_noise():
    channel = draw(1, 1, 1, 208, seed=2)
    error = torch.full((1, 1, 1, 208), 0.2)
    _, reported, grid = equalised(draw(1, 1, 3, 208), channel, torch.tensor([[0.1]]), error=error)
    expected = (0.3 / channel.abs().square()[:, 0]).expand(-1, 3, -1)
    assert torch.allclose(reported, grid.data_of(expected), rtol=1e-4)


def test_the_channel_may_change_from_symbol_to_symbol():
    symbols, channel = draw(2, 5, 208, seed=1), draw(2, 2, 5, 208, seed=2)
    got, reported, grid = equalised(channel * symbols[:, None], channel, torch.full((2, 2), 0.5))
    assert torch.allclose(got, grid.data_of(symbols), atol=1e-3)
    assert torch.allclose(reported, grid.data_of(0.5 / channel.abs().square().sum(1)), rtol=1e-3)


def test_phase_is_taken_out_along_time_and_frequency():
    symbols = draw(2, 7, 208, seed=1)
    generator = torch.Generator().manual_seed(5)
    turn = Turn(*(torch.rand(2, 7, generator=generator, dtype=torch.float64) - 0.5 for _ in range(2)))
    carriers = build(Config(payload_ofdm_symbols=7)).payload.carriers
    phase = phasor(turn.common[..., None] + turn.tilt[..., None] * carriers)
    one = torch.ones(2, 1, 1, 208, dtype=torch.complex64)
    got, _, grid = equalised((symbols * phase)[:, None], one, torch.ones(2, 1), turn=turn)
    assert torch.allclose(got, grid.data_of(symbols), atol=1e-4)


def test_a_channel_of_nothing_gives_huge_variance_and_no_nan():
    zero = torch.zeros(1, 1, 1, 208, dtype=torch.complex64)
    got, reported, _ = equalised(draw(1, 1, 2, 208), zero, torch.ones(1, 1))
    assert bool((got == 0).all()) and float(reported.min()) > 1e12


def test_lost_symbols_are_zero_and_infinitely_uncertain():
    one = torch.ones(1, 1, 1, 208, dtype=torch.complex64)
    phase_var = torch.tensor([[0.1, torch.inf]])
    got, reported, _ = equalised(draw(1, 1, 2, 208), one, torch.full((1, 1), 0.5), phase_var=phase_var)
    assert torch.allclose(reported[0, 0], torch.tensor(0.6)) and bool(torch.isinf(reported[0, 1]).all())
    assert bool((got[0, 0] != 0).all()) and bool((got[0, 1] == 0).all())


def test_dc_and_image_are_taken_out():
    signal = draw(2, 64 * BLOCK)
    image = torch.tensor([[0.01 + 0.01j], [-0.02j]])
    spoilt = signal + image * signal.conj() + torch.tensor([[0.05j], [-0.03]])
    clean = corrected(Conditioner(2), spoilt)
    late = slice(32 * BLOCK, None)
    residual = (clean - signal)[:, late].abs().square().mean(-1)
    assert float(residual.max()) < 1e-5
    before = (spoilt - signal)[:, late].abs().square().mean(-1)
    assert float((residual / before).max()) < 0.02


def test_a_clean_signal_is_left_alone():
    signal = draw(1, 8 * BLOCK, seed=5)
    change = (corrected(Conditioner(1), signal) - signal).abs().square().mean()
    assert float(change) < 2e-5


def test_blocks_may_come_one_by_one_or_together():
    signal = draw(1, 6 * BLOCK + 100, seed=6) + 0.1
    together = corrected(Conditioner(1), signal)
    one = Conditioner(1)
    parts = [corrected(one, part) for part in torch.split(signal, BLOCK, dim=-1)]
    assert torch.equal(together, torch.cat(parts, dim=-1))


def test_real_input_is_not_taken_for_an_image():
    signal = draw(1, 4 * BLOCK).real.to(torch.complex64)
    assert torch.allclose(corrected(Conditioner(1), signal), signal, atol=0.05)
