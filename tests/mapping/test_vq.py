import math

import pytest
import torch
from payload_examples import noisy, seeded
from torch import nn

from sdrjscc.errors import ConfigError
from sdrjscc.mapping.base import bind, build_mapper, transmit
from sdrjscc.mapping.vq import Vq

ORDERS, DIMENSIONS = (2, 4, 16, 64, 256), (2, 4, 8, 12, 16)


class Codec(nn.Module):
    """A codec whose weights hold two codebooks."""

    def __init__(self):
        super().__init__()
        self.first = nn.Parameter(torch.randn(4, 3, dtype=torch.float64, generator=seeded(7)))
        self.second = nn.Parameter(torch.randn(16, 5, dtype=torch.float64, generator=seeded(8)))
        self.mapper_tables = {"codebook0": self.first, "codebook1": self.second}


def latent(dimension, symbols=40):
    return torch.randn(2, symbols, dimension, dtype=torch.float64, generator=seeded()).requires_grad_()


def test_untrained_codebooks_have_the_papers_sizes():
    mapper = build_mapper({"name": "vq"})
    for mode, (order, dimension) in enumerate(zip(ORDERS, DIMENSIONS, strict=True)):
        assert len(mapper.points(mode)) == order
        codebook = mapper._codebooks[mode]
        assert codebook.shape == (order, dimension)
        assert codebook.abs().max() < 1.0
        # Uniform: mean 0, variance 1/3; a mean's deviation is sqrt(1 / 3n).
        assert codebook.mean().abs() < 5 / math.sqrt(3 * codebook.numel())


def test_untrained_codebooks_are_written_down():
    """Gold sequence of TS 38.211 with c_init = 2, 16 bits a value, computed bit by bit."""
    first, second = [1] + [0] * 30, [0, 1] + [0] * 29
    for n in range(1600 + 64):
        first.append(first[n + 3] ^ first[n])
        second.append(second[n + 3] ^ second[n + 2] ^ second[n + 1] ^ second[n])
    bits = [first[1600 + n] ^ second[1600 + n] for n in range(64)]
    values = [sum(bit << (15 - place) for place, bit in enumerate(bits[i : i + 16])) for i in (0, 16, 32, 48)]
    expected = torch.tensor([(2 * value + 1) / 2**16 - 1 for value in values]).reshape(2, 2)
    assert torch.equal(build_mapper({"name": "vq"})._codebooks[0], expected)


def test_a_latent_goes_to_its_nearest_codeword():
    codec, payload = Codec(), latent(5)
    index = bind(build_mapper({"name": "vq"}), codec).quantise(payload, 1)
    assert torch.equal(index, torch.cdist(payload, codec.second.expand(2, -1, -1)).argmin(-1))


@pytest.mark.parametrize("demap", ["hard", "posterior_mean"])
def test_without_noise_the_codeword_comes_back(demap):
    codec, payload = Codec(), latent(5)
    mapper = bind(build_mapper({"name": "vq", "demap": demap}), codec)
    back = mapper.demap(mapper.map(payload, 1), torch.zeros(2, 40, dtype=torch.float64), 1)
    torch.testing.assert_close(back, codec.second[mapper.quantise(payload, 1)])


@pytest.mark.parametrize("demap", ["hard", "posterior_mean"])
def test_a_lost_codeword_is_the_mean_of_all(demap):
    codec = Codec()
    mapper = bind(build_mapper({"name": "vq", "demap": demap}), codec)
    lost = torch.full((1, 1), torch.inf, dtype=torch.float64)
    back = mapper.demap(torch.full((1, 1), complex("nan"), dtype=torch.complex128), lost, 1)
    torch.testing.assert_close(back[0, 0], codec.second.mean(0))


@pytest.mark.parametrize("demap", ["hard", "posterior_mean"])
def test_the_gradient_is_straight_through_to_the_latent_and_no_other(demap):
    codec, payload = Codec(), latent(5)
    passed = transmit(bind(build_mapper({"name": "vq", "demap": demap}), codec), payload, noisy(9.0), 1)
    weights = torch.randn(2, 40, 5, dtype=torch.float64, generator=seeded(1))
    (passed.payload_hat * weights).sum().backward()
    assert torch.equal(payload.grad, weights)
    assert codec.second.grad is None


@pytest.mark.parametrize("demap", ["hard", "posterior_mean"])
def test_each_term_teaches_its_own_side(demap):
    """Against finite differences, at an SNR where some decisions are wrong (16 points, 9 dB)."""
    mapper, payload, send = build_mapper({"name": "vq", "demap": demap}), latent(5), noisy(9.0)
    codec = Codec()
    bound = bind(mapper, codec)
    received, noise_var = send(bound.map(payload, 1))
    assert (bound.demap(received, noise_var, 1) - codec.second[bound.quantise(payload, 1)]).abs().max() > 0.1

    def term(name, payload, codebook):
        one = Vq([codec.first, codebook], demap=demap)
        return transmit(one, payload, send, 1).terms[name]

    codebook = codec.second.detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda c: term("codebook", payload, c), codebook)
    assert torch.autograd.gradcheck(lambda z: term("commitment", z, codebook), payload)
    for name, other in (("codebook", payload), ("commitment", codebook)):
        (gradient,) = torch.autograd.grad(term(name, payload, codebook), other, allow_unused=True)
        assert gradient is None


def test_the_codecs_optimiser_moves_its_codebooks():
    codec, payload = Codec(), latent(3)
    optimiser = torch.optim.SGD(codec.parameters(), lr=1.0)
    losses = []
    for _ in range(30):
        loss = transmit(bind(build_mapper({"name": "vq"}), codec), payload.detach(), noisy(30.0)).terms[
            "codebook"
        ]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


def test_assigned_codewords_are_the_same_ones_on_better_points():
    """Measured through noise at the error rate it is made for; the gain by theory is over 2 dB."""
    codebook = torch.randn(64, 12, generator=seeded())
    errors = {}
    for name in ("before", "after"):
        mapper = Vq([codebook.clone()])
        if name == "after":
            mapper.assign_points(seeded(3))
            again = Vq([codebook.clone()])
            again.assign_points(seeded(3))
            assert torch.equal(again._codebooks[0], mapper._codebooks[0])
            assert torch.equal(mapper._codebooks[0].sort(0).values, codebook.sort(0).values)
        sent = codebook[torch.randint(64, (1, 20_000), generator=seeded(4))]
        back = mapper.demap(*noisy(18.76, 5)(mapper.map(sent)))
        errors[name] = (back - sent).square().sum(-1).mean().item()
    assert 10 * math.log10(errors["before"] / errors["after"]) > 1.0


def test_codebooks_that_fit_no_constellation_are_refused():
    with pytest.raises(ConfigError, match=r"\[M, D\] with M of 2, 4, 16, 64, 256, 1024 \(got \[5, 3\]\)"):
        Vq([torch.zeros(5, 3)])
    with pytest.raises(ConfigError, match="dimensions must be 2 positive numbers, one an order"):
        build_mapper({"name": "vq", "orders": [4, 16]})
    with pytest.raises(ConfigError, match=r"real payload \[B, k, 2\] \(got torch.float32 \[1, 4, 3\]\)"):
        build_mapper({"name": "vq"}).map(torch.zeros(1, 4, 3))
