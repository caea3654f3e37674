import pytest
import torch

from sdrjscc.receive.channel import constant_channel, gather, moves, response_over_time, sloping_channel
from sdrjscc.receive.estimate import TAPS, lmmse, response_error, steering
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
    return gram, (10 * taps @ response.T + noise) @ response.conj()


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


def known(slope, noise_var, seed, batch=40):
    """Frames whose one tap is 1 + slope * position, observed in noise."""
    from sdrjscc.receive.channel import _positions

    chirp_at, header_at, payload_at = _positions(GRID)
    scale = noise_var**0.5

    def seen(at, *shape, seed):
        return (1 + slope * at).reshape(-1, 1) + scale * draw((batch, 1, *shape), seed)

    head = Head(
        torch.zeros(batch).double(),
        torch.zeros(batch).double(),
        seen(chirp_at, 2, 416, seed=seed),
        seen(header_at, 5, 208, seed=seed + 1),
        torch.full((batch, 1), noise_var),
        lmmse(
            torch.eye(TAPS, dtype=torch.complex64),
            torch.zeros(batch, 1, TAPS, dtype=torch.complex64),
            torch.ones(batch, 1),
        ),
    )
    lost = torch.zeros(batch, GRID.symbols, dtype=torch.bool)
    return gather(head, seen(payload_at, 26, 8, seed=seed + 2), lost, GRID, 1.0), payload_at


def test_a_still_channel_gets_no_slope_and_its_noise_is_measured():
    equations, _ = known(0.0, 0.1, 3, batch=200)
    channel = constant_channel(equations, torch.full((200, 1), 0.3))
    assert int(moves(equations, channel).sum()) <= 2
    assert float(channel.noise_var.mean()) == pytest.approx(0.1, rel=0.02)


def test_a_moving_channel_gets_a_slope():
    equations, at = known(0.4j, 0.01, 4)
    channel = constant_channel(equations, torch.full((40, 1), 0.01))
    assert bool(moves(equations, channel).all())
    better = sloping_channel(equations, channel.noise_var)
    assert better.order == 1
    assert float(better.noise_var.mean()) == pytest.approx(0.01, rel=0.05)
    response, error = response_over_time(better, GRID)
    truth = (1 + 0.4j * at)[:, None]
    miss = (response - truth).abs().square().mean()
    assert float(miss) < 1e-4
    assert float(error.mean()) == pytest.approx(float(miss), rel=0.6)


def test_lost_symbols_leave_the_equations():
    equations, _ = known(0.0, 0.1, 5, batch=4)
    assert equations.gram.shape[1] == 1
    assert float(equations.count[0]) == 2 * 416 + 5 * 208 + 26 * 8
