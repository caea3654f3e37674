import pytest
import torch

from sdrjscc.receive.channel import fit, gather, moves, moving_channels, polynomials, response_over_time
from sdrjscc.receive.estimate import TAPS, lmmse, quadratic, response_error, steering
from sdrjscc.receive.head import Head
from sdrjscc.waveform.base import HEADER, Grid

GRID = Grid(256, 16, 104, 26, 26, 1)


def draw(shape, seed):
    return torch.randn(shape, dtype=torch.complex64, generator=torch.Generator().manual_seed(seed))


def observed(taps, noise_var, seed):
    """Right-hand side and Gram matrix of ten known OFDM symbols."""
    response = steering(HEADER)
    gram = 10 * response.mH @ response
    noise = draw((*taps.shape[:2], 208), seed) * (10 * noise_var) ** 0.5
    return gram[None], (10 * taps @ response.T + noise) @ response.conj()


@pytest.mark.parametrize("noise_var", [1e-3, 0.1, 1.0])
def test_sparse_channels_cost_little_more_than_their_taps(noise_var):
    taps = torch.zeros(200, 1, TAPS, dtype=torch.complex64)
    taps[..., 8], taps[..., 11] = 1.0, 0.5j
    gram, rhs = observed(taps, noise_var, 0)
    found = lmmse(gram, rhs, torch.full((200, 1), noise_var))
    response = steering(HEADER)
    error = ((found.mean - taps) @ response.T).abs().square().mean()
    least = 2 * noise_var / (10 * 208)
    assert least * 0.7 < float(error) < 4 * least
    assert float(response_error(found, response).mean()) == pytest.approx(float(error), rel=0.6)
    assert 1.5 < float(found.used.mean()) < 6


def test_a_channel_of_nothing_is_estimated_as_nothing():
    gram, rhs = observed(torch.zeros(20, 1, TAPS, dtype=torch.complex64), 1.0, 1)
    found = lmmse(gram, rhs, torch.ones(20, 1))
    assert bool(torch.isfinite(found.mean).all())
    assert float(found.mean.abs().square().sum(-1).mean()) < 5 / (10 * 208) * 3
    silent = lmmse(gram, 0 * rhs, torch.full((20, 1), 1e-25))
    assert float(silent.mean.abs().max()) == 0.0


def known(slope, noise_var, seed, batch=40, functions=2):
    """Frames whose one tap is 1 + slope * position, observed in noise; or 1 + slope(position)."""
    from sdrjscc.receive.channel import _weights

    chirp_at, header_at, payload_at = (at[1] for at in _weights(GRID, 2))
    scale = noise_var**0.5

    def seen(at, *shape, seed):
        path = 1 + (slope(at) if callable(slope) else slope * at)
        return path.reshape(-1, 1) + scale * draw((batch, 1, *shape), seed)

    head = Head(
        torch.zeros(batch).double(),
        torch.zeros(batch).double(),
        seen(chirp_at, 2, 416, seed=seed),
        seen(header_at, 5, 208, seed=seed + 1),
        torch.full((batch, 1), noise_var),
        lmmse(
            torch.eye(TAPS, dtype=torch.complex64)[None],
            torch.zeros(batch, 1, TAPS, dtype=torch.complex64),
            torch.ones(batch, 1),
        ),
    )
    lost = torch.zeros(batch, GRID.symbols, dtype=torch.bool)
    pilots = seen(payload_at, 26, 8, seed=seed + 2)
    return gather(head, pilots, lost, GRID, 1.0, functions), payload_at


def test_a_still_channel_gets_no_slope_and_its_noise_is_measured():
    equations, _ = known(0.0, 0.1, 3, batch=200)
    channel = fit(equations, torch.full((200, 1), 0.3))
    assert int(moves(equations, channel).sum()) <= 2
    assert float(channel.noise_var.mean()) == pytest.approx(0.1, rel=0.02)


def test_a_moving_channel_gets_a_slope():
    equations, at = known(0.4j, 0.01, 4)
    channel = fit(equations, torch.full((40, 1), 0.01))
    assert bool(moves(equations, channel).all())
    better = fit(equations, channel.noise_var, 1)
    assert better.order == 1
    assert float(better.noise_var.mean()) == pytest.approx(0.01, rel=0.05)
    response, error = response_over_time(better, GRID)
    truth = (1 + 0.4j * at)[:, None]
    miss = (response - truth).abs().square().mean()
    assert float(miss) < 1e-4
    assert float(error.mean()) == pytest.approx(float(miss), rel=0.6)


@pytest.mark.parametrize("degree", [1, 2, 3, 4])
def test_the_order_is_the_lowest_that_explains_the_movement(degree):
    equations, at = known(lambda x: 0.3j * polynomials(x, degree + 1)[degree], 0.01, 7, functions=5)
    channel = fit(equations, torch.full((40, 1), 0.01))
    seen = []
    for rows, found in moving_channels(equations, channel):
        seen += rows.tolist()
        if found.order == degree:
            assert len(rows) >= 37
            response, error = response_over_time(found, GRID)
            truth = (1 + 0.3j * polynomials(at, degree + 1)[degree])[:, None]
            miss = (response - truth).abs().square().mean()
            assert float(miss) < 2e-4
            assert float(error.mean()) == pytest.approx(float(miss), rel=0.6)
    assert sorted(seen) == list(range(40))


def test_polynomials_are_legendre():
    at = torch.linspace(-1, 1, 20001, dtype=torch.float64)
    found = polynomials(at, 5)
    products = found @ found.T * (2 / 20000)
    assert torch.allclose(products, torch.diag(2 / (2 * torch.arange(5.0).double() + 1)), atol=1e-3)


def test_lost_symbols_leave_the_equations():
    equations, _ = known(0.0, 0.1, 5, batch=4)
    assert equations.gram.shape[0] == 1
    assert float(equations.count[0]) == 5 * 208 + 26 * 8


@pytest.mark.parametrize("real", [False, True])
def test_the_estimate_is_the_posterior_of_its_priors(real):
    """Mean and covariance against the closed form, whatever prior the evidence has chosen."""
    mixed = draw((TAPS, TAPS), 8)
    gram = 100 * torch.eye(TAPS) + 2 * (mixed + mixed.mH)
    gram = gram.real.contiguous() if real else gram
    rhs = draw((3, 2, TAPS), 9) * 100
    noise_var = torch.tensor([[0.1, 0.2], [1.0, 2.0], [0.01, 3.0]])
    found = lmmse(gram[None], rhs, noise_var)
    wide = gram.to(torch.complex128)
    for b in range(3):
        for a in range(2):
            covariance = found.covariance[b, a].to(torch.complex128)
            assert torch.allclose(covariance, covariance.mH, atol=1e-6 * covariance.abs().max())
            precision = torch.linalg.inv(covariance) - wide / noise_var[b, a]
            prior = 1 / precision.diagonal().real  # diagonal: what the prior alone says
            again = torch.linalg.inv(wide / noise_var[b, a] + torch.diag(1 / prior).to(wide.dtype))
            assert torch.allclose(again, covariance, atol=1e-3 * covariance.abs().max())
            mean = covariance @ rhs[b, a].to(wide.dtype) / noise_var[b, a]
            assert torch.allclose(mean.to(torch.complex64), found.mean[b, a], rtol=1e-3, atol=1e-4)
            share = (1 - covariance.diagonal().real / prior).clamp(0, 1).sum()
            assert float(found.used[b, a]) == pytest.approx(float(share), abs=0.05)


@pytest.mark.parametrize("real", [False, True])
def test_quadratic_forms_by_diagonals_are_those_of_the_matrices(real):
    matrices = draw((2, 3, TAPS, TAPS), 10)
    matrices = matrices.real.contiguous() if real else matrices
    response = steering(HEADER)
    direct = torch.einsum("ck,abkl,cl->abc", response, matrices.to(response.dtype), response.conj()).real
    assert torch.allclose(quadratic(response, matrices), direct, atol=1e-3)
