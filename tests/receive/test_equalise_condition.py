import torch

from sdrjscc.receive.condition import BLOCK, Conditioner
from sdrjscc.receive.equalise import combine, with_phase_error


def draw(*shape, seed=0):
    return torch.randn(shape, dtype=torch.complex64, generator=torch.Generator().manual_seed(seed))


def test_combining_is_unbiased_with_the_variance_it_reports():
    symbols, channel = draw(1, 400, 208, seed=1), draw(1, 3, 1, 208, seed=2)
    noise_var = torch.tensor([[0.1, 0.3, 1.0]])
    cells = channel * symbols[:, None] + draw(1, 3, 400, 208, seed=3) * noise_var.sqrt()[..., None, None]
    still = torch.ones(1, 400, 208, dtype=torch.complex64)
    got, reported = combine(cells, channel, torch.zeros(1, 3, 1, 208), noise_var, still)
    error = (got - symbols).abs().square().mean(1)
    # 400 exponential errors a carrier: 5 % standard deviation.
    assert torch.allclose(error, reported[:, 0], rtol=0.25)
    assert torch.allclose(error.mean(), reported.mean(), rtol=0.02)


def test_a_channel_of_nothing_gives_huge_variance_and_no_nan():
    zero = torch.zeros(1, 1, 1, 4, dtype=torch.complex64)
    still = torch.ones(1, 2, 4, dtype=torch.complex64)
    got, reported = combine(draw(1, 1, 2, 4), zero, zero.real, torch.ones(1, 1), still)
    assert bool((got == 0).all()) and float(reported.min()) > 1e12


def test_lost_symbols_are_infinitely_uncertain():
    total = with_phase_error(
        torch.full((1, 1, 3), 0.5), torch.tensor([[0.1, 0.2]]), torch.tensor([[False, True]])
    )
    assert torch.equal(total[0, 0], torch.full((3,), 0.6)) and bool(torch.isinf(total[0, 1]).all())


def test_dc_and_image_are_taken_out():
    signal = draw(2, 64 * BLOCK)
    image = torch.tensor([[0.01 + 0.01j], [-0.02j]])
    spoilt = signal + image * signal.conj() + torch.tensor([[0.05j], [-0.03]])
    clean = Conditioner(2).correct(spoilt)
    late = slice(32 * BLOCK, None)
    residual = (clean - signal)[:, late].abs().square().mean(-1)
    assert float(residual.max()) < 1e-5
    before = (spoilt - signal)[:, late].abs().square().mean(-1)
    assert float((residual / before).max()) < 0.02


def test_a_clean_signal_is_left_alone():
    signal = draw(1, 8 * BLOCK, seed=5)
    change = (Conditioner(1).correct(signal) - signal).abs().square().mean()
    assert float(change) < 2e-5


def test_blocks_may_come_one_by_one_or_together():
    signal = draw(1, 6 * BLOCK + 100, seed=6) + 0.1
    together = Conditioner(1).correct(signal)
    one = Conditioner(1)
    parts = [one.correct(part) for part in torch.split(signal, BLOCK, dim=-1)]
    assert torch.allclose(together, torch.cat(parts, dim=-1), atol=1e-6)


def test_real_input_is_not_taken_for_an_image():
    signal = draw(1, 4 * BLOCK).real.to(torch.complex64)
    assert torch.allclose(Conditioner(1).correct(signal), signal, atol=0.05)
