import math

import pytest
import torch
from payload_examples import noisy, seeded
from torch import nn

from sdrjscc.errors import ConfigError
from sdrjscc.mapping._constellation import constellation
from sdrjscc.mapping.base import bind, build_mapper, transmit
from sdrjscc.mapping.learned import Learned

ORDERS = (2, 4, 16, 64, 256)


class Codec(nn.Module):
    def __init__(self, count=6):
        super().__init__()
        self.points = nn.Parameter(5.0 * torch.randn(count, 2, dtype=torch.float64, generator=seeded(4)))
        self.mapper_tables = {"points0": self.points}


def latent(symbols=30):
    return torch.randn(2, symbols, 2, dtype=torch.float64, generator=seeded()).requires_grad_()


def test_without_a_codecs_points_it_is_square_qam():
    """DeepJSCC-Q: fixed points, each latent to the nearest."""
    mapper, payload = build_mapper({"name": "learned"}), latent(200)
    for mode, order in enumerate(ORDERS):
        points = constellation(order, "snake").points
        torch.testing.assert_close(mapper.points(mode), points)
        nearest = (torch.view_as_complex(payload.detach()).unsqueeze(-1) - points).abs().argmin(-1)
        torch.testing.assert_close(mapper.map(payload, mode), points[nearest])


def test_points_have_unit_power_whatever_their_values():
    codec = Codec()
    mapper = bind(build_mapper({"name": "learned"}), codec)
    assert mapper.points().abs().square().mean().item() == pytest.approx(1.0, rel=1e-12)
    sent = mapper.map(latent())
    assert (sent.unsqueeze(-1) - mapper.points()).abs().amin(-1).max() < 1e-12
    with pytest.raises(ConfigError, match=r"mode must be one of the 1 that mapping learned has \(got 1\)"):
        mapper.points(1)


def test_the_soft_assignment_is_differentiable_in_latent_and_points():
    codec, payload = Codec(), latent(4)

    def soft(payload, points):
        return torch.view_as_real(Learned([points], temperature=0.3).soft(payload))

    assert torch.autograd.gradcheck(soft, (payload, codec.points))


def test_the_gradient_of_map_is_that_of_the_soft_assignment():
    codec, payload = Codec(), latent()
    mapper = bind(build_mapper({"name": "learned", "temperature": 0.3}), codec)
    weights = torch.randn(2, 30, 2, dtype=torch.float64, generator=seeded(1))
    gradients = [
        torch.autograd.grad((torch.view_as_real(sent) * weights).sum(), (payload, codec.points))
        for sent in (mapper.map(payload), mapper.soft(payload))
    ]
    for hard, soft in zip(*gradients, strict=True):
        torch.testing.assert_close(hard, soft)
        assert hard.abs().max() > 0


def test_hard_decisions_pass_on_the_gradient_of_what_was_sent():
    codec, payload, send = Codec(), latent(), noisy(3.0)
    mapper = Learned([codec.points], demap="hard", temperature=0.3)
    passed = transmit(mapper, payload, send)
    assert (passed.payload_hat - torch.view_as_real(mapper.map(payload))).abs().max() > 0.1
    weights = torch.randn(2, 30, 2, dtype=torch.float64, generator=seeded(1))
    (through,) = torch.autograd.grad((passed.payload_hat * weights).sum(), payload)
    (soft,) = torch.autograd.grad((torch.view_as_real(mapper.soft(payload)) * weights).sum(), payload)
    torch.testing.assert_close(through, soft)


def test_a_cold_assignment_is_the_nearest_point():
    codec, payload = Codec(), latent(200)
    mapper = Learned([codec.points], temperature=1e-4)
    off = (mapper.soft(payload) - mapper.map(payload)).abs()
    assert (off < 1e-6).float().mean() > 0.98


def test_usage_is_the_divergence_from_equal_use():
    """0 where each point is used alike, log M where one only; gradient against differences."""
    points = torch.view_as_real(constellation(16, "snake").points)
    mapper, send = Learned([points], temperature=1e-3), noisy(10.0)
    equal = points.repeat(5, 1).unsqueeze(0)
    assert transmit(mapper, equal, send).terms["usage"].item() == pytest.approx(0.0, abs=1e-9)
    one = points[3].expand(1, 80, 2)
    assert transmit(mapper, one, send).terms["usage"].item() == pytest.approx(math.log(16), rel=1e-9)
    codec, payload = Codec(), latent(4)

    def usage(payload, points):
        return transmit(Learned([points], temperature=0.3), payload, send).terms["usage"]

    assert torch.autograd.gradcheck(usage, (payload, codec.points))


def test_less_usage_loss_is_more_equal_use():
    codec = Codec(16)
    optimiser = torch.optim.Adam(codec.parameters(), lr=0.05)
    payload = 0.5 * latent(400).detach()
    losses = []
    for _ in range(60):
        mapper = bind(build_mapper({"name": "learned"}), codec)
        loss = transmit(mapper, payload, noisy(10.0)).terms["usage"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


def test_the_posterior_mean_has_the_least_error():
    codec, n = Codec(), 20_000
    index = torch.randint(6, (n,), generator=seeded(5))
    errors = {}
    for demap in ("posterior_mean", "hard", "identity"):
        mapper = bind(build_mapper({"name": "learned", "demap": demap}), codec)
        sent = torch.view_as_real(mapper.points().detach())[index].unsqueeze(0)
        estimate = mapper.demap(*noisy(5.0, 6)(mapper.map(sent)))
        errors[demap] = (estimate - sent).square().sum(-1).mean().item()
    assert errors["posterior_mean"] < 0.95 * min(errors["hard"], errors["identity"])
    # |noise|^2 is exponential: its mean of n has deviation noise_var / sqrt(n).
    assert errors["identity"] == pytest.approx(10**-0.5, rel=5 / n**0.5)


def test_a_lost_pair_is_the_points_mean():
    codec = Codec()
    lost = torch.full((1, 1), torch.inf, dtype=torch.float64)
    held = torch.full((1, 1), complex("nan"), dtype=torch.complex128)
    for demap in ("posterior_mean", "hard", "identity"):
        mapper = bind(build_mapper({"name": "learned", "demap": demap}), codec)
        expected = torch.view_as_real(mapper.points()).mean(0) * (demap != "identity")
        torch.testing.assert_close(mapper.demap(held, lost)[0, 0], expected)


def test_points_of_another_shape_are_refused():
    with pytest.raises(ConfigError, match=r"points must be \[M, 2\] with M at least 2 \(got \[4, 3\]\)"):
        Learned([torch.zeros(4, 3)])


@pytest.mark.parametrize("demap", ["posterior_mean", "hard"])
@pytest.mark.parametrize("mode", range(5))
def test_square_points_axis_by_axis_are_as_all_at_once(mode, demap):
    fixed = build_mapper({"name": "learned", "demap": demap})
    tables = [torch.view_as_real(fixed.points(other)) for other in range(5)]
    free = Learned(tables, demap=demap)
    found = []
    for mapper in (fixed, free):
        payload = latent(500)
        passed = transmit(mapper, payload, noisy(12.0), mode)
        passed.payload_hat.square().sum().backward()
        lost = mapper.demap(torch.zeros(1, 1, dtype=torch.complex128), torch.tensor([[torch.inf]]), mode)
        sent = torch.view_as_real(mapper.map(payload, mode)).detach()
        found.append((passed.payload_hat.detach(), passed.terms["usage"].detach(), payload.grad, lost, sent))
    for by_axis, at_once in zip(*found, strict=True):
        torch.testing.assert_close(by_axis, at_once)
