import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from payload_examples import noisy, seeded

from sdrjscc.errors import ConfigError
from sdrjscc.mapping._constellation import constellation
from sdrjscc.mapping.base import build_mapper, transmit

ORDERS = (4, 16, 64, 256)
SYMBOLS = 20_000


def uniform(**options):
    return build_mapper({"name": "uniform_qam", **options})


@pytest.mark.parametrize("points", ["natural", "snake"])
def test_cells_by_hand(points):
    """Four cells: [0, 1/4) is point 0, and so on; what lies outside (0, 1) is clamped."""
    latent = torch.tensor([-1e30, 0.0, 0.2499, 0.25, 0.5, 0.7499, 0.75, 0.9999, 1.0, 1e30])
    sent = uniform(points=points).map(latent.reshape(1, -1, 1))
    index = torch.tensor([0, 0, 0, 1, 2, 2, 3, 3, 3, 3])
    assert torch.equal(sent[0], constellation(4, points).points.to(torch.complex64)[index])


@given(st.integers(0, 3), st.floats(0.0, 1.0), st.sampled_from(["natural", "snake"]))
@settings(max_examples=60, deadline=None)
def test_without_noise_the_error_is_the_quantisers(mode, value, points):
    order, latent = ORDERS[mode], torch.tensor([[[value]]])
    none = torch.zeros(1, 1)
    ours, paper = (uniform(points=points, demap=demap) for demap in ("posterior_mean", "paper"))
    symbols = ours.map(latent, mode)
    assert abs(ours.demap(symbols, none, mode).item() - value) <= 0.5 / order + 1e-6
    assert paper.demap(symbols, none, mode).item() == min(int(latent.item() * order), order - 1) / order


@pytest.mark.parametrize("demap", ["posterior_mean", "paper"])
def test_a_lost_symbol_is_exactly_one_half(demap):
    for mode in range(4):
        symbols, lost = torch.full((1, 1), complex("nan")), torch.full((1, 1), torch.inf)
        assert uniform(demap=demap).demap(symbols, lost, mode).item() == 0.5


@pytest.mark.parametrize("mode", range(4))
@pytest.mark.parametrize("snr_db", [1.0, 10.0, 20.0])
def test_the_posterior_mean_is_the_conditional_mean(mode, snr_db):
    """Its error is orthogonal to it, and it beats the paper's estimate of the same symbols."""
    latent = torch.rand(1, SYMBOLS, 1, dtype=torch.float64, generator=seeded())
    estimates = {}
    for demap in ("posterior_mean", "paper"):
        mapper = uniform(demap=demap)
        estimates[demap] = mapper.demap(*noisy(snr_db, 1)(mapper.map(latent, mode)), mode)
    ours, paper = estimates["posterior_mean"], estimates["paper"]
    product = (latent - ours) * (ours - 0.5)
    assert abs(product.mean().item()) < 5 * product.std().item() / SYMBOLS**0.5
    gain = (latent - paper).square() - (latent - ours).square()
    assert gain.mean().item() > 5 * gain.std().item() / SYMBOLS**0.5


def test_a_wrong_row_costs_less_in_natural_order():
    """Squared index errors between vertical neighbours: sqrt(M)^2 against the mean of odd squares."""
    for order in (16, 64, 256):
        side = int(order**0.5)
        for points, expected in (("natural", side**2), ("snake", (4 * side**2 - 1) / 3)):
            place = constellation(order, points).lookup
            assert (place[1:] - place[:-1]).double().square().mean().item() == pytest.approx(expected)


def test_natural_order_is_the_better_one_through_noise():
    """At 18 dB with 256 points: 1.2 dB by theory."""
    latent = torch.rand(1, SYMBOLS, 1, generator=seeded())
    error = {}
    for points in ("natural", "snake"):
        mapper = uniform(points=points)
        estimate = mapper.demap(*noisy(18.0, 1)(mapper.map(latent, 3)), 3)
        error[points] = (estimate - latent).square().mean().item()
    assert error["snake"] > 1.15 * error["natural"]


def test_the_gradient_is_that_of_the_surrogate():
    """The payload plus a constant, whatever quantiser, noise and receiver did."""
    payload = torch.rand(2, 30, 1, dtype=torch.float64, generator=seeded(), requires_grad=True)
    weights = torch.randn(2, 30, 1, dtype=torch.float64, generator=seeded(1))
    for demap in ("posterior_mean", "paper"):
        passed = transmit(uniform(demap=demap), payload, noisy(10.0), 2)
        assert passed.payload_hat.dtype == torch.float64
        (gradient,) = torch.autograd.grad((passed.payload_hat * weights).sum(), payload)
        assert torch.equal(gradient, weights)


def middling():
    """``[1, k, 1]`` as behind batch norm and sigmoid after sparse training: most near the middle."""
    spread = 0.6 * torch.randn(64, dtype=torch.float64, generator=seeded(2)).abs()
    shift = 0.4 * torch.randn(64, dtype=torch.float64, generator=seeded(3))
    normal = torch.randn(SYMBOLS // 64, 64, dtype=torch.float64, generator=seeded(4))
    return torch.sigmoid(shift + spread * normal).reshape(1, -1, 1)


def histogram_of(latent, cells=256):
    return torch.histc(latent.float(), cells, 0.0, 1.0)


def bound(latent, **options):
    return uniform(**options).bind({"histogram": histogram_of(latent)})


class TestBoundToAHistogram:
    """What a codec's histogram of its latent changes: power, and what is most likely."""

    @pytest.mark.parametrize("points", ["natural", "snake"])
    @pytest.mark.parametrize("mode", range(4))
    def test_mean_power_is_1_over_the_latents_it_is_of(self, mode, points):
        latent = middling()
        power = bound(latent, points=points).map(latent, mode).abs().square().mean().item()
        assert power == pytest.approx(1.0, abs=1e-4)
        unbound = uniform(points=points).map(latent, mode).abs().square().mean().item()
        assert mode == 0 or 0.5 < unbound < 0.75

    def test_power_is_1_for_every_order(self):
        latent = middling()
        mapper = bound(latent, orders=(2, 4, 16, 64, 256, 1024))
        for mode in range(5):
            assert mapper.map(latent, mode).abs().square().mean().item() == pytest.approx(1.0, abs=1e-4)
        # finer than the histogram: a cell's four points count alike
        assert mapper.map(latent, 5).abs().square().mean().item() == pytest.approx(1.0, abs=2e-2)

    def test_a_uniform_histogram_changes_nothing(self):
        latent = torch.rand(1, 500, 1, generator=seeded())
        mapper, plain = uniform().bind({"histogram": torch.full((256,), 3.0)}), uniform()
        for mode in range(4):
            torch.testing.assert_close(mapper.map(latent, mode), plain.map(latent, mode))
            received, noise_var = noisy(8.0)(plain.map(latent, mode))
            estimate = mapper.demap(received, noise_var, mode)
            torch.testing.assert_close(estimate, plain.demap(received, noise_var, mode))

    def test_by_hand_two_cells(self):
        """M = 2: P(1) = 3/4, cell means 1/8 and 5/8; the posterior from Bayes' rule."""
        histogram = torch.tensor([1.0, 0.0, 3.0, 0.0])
        mapper = uniform(orders=(2,)).bind({"histogram": histogram})
        received, noise_var = torch.tensor([[0.3 + 0.7j]]), torch.tensor([[0.5]])
        one = 0.75 * torch.exp(torch.tensor(-(0.7**2) / 0.5))
        zero = 0.25 * torch.exp(torch.tensor(-(1.3**2) / 0.5))
        expected = (0.625 * one + 0.125 * zero) / (one + zero)
        assert mapper.demap(received, noise_var).item() == pytest.approx(expected.item(), abs=1e-3)

    @pytest.mark.parametrize("demap", ["posterior_mean", "paper"])
    @pytest.mark.parametrize("mode", range(4))
    def test_without_noise_the_cell_is_found(self, mode, demap):
        latent = middling()
        mapper = bound(latent, demap=demap)
        symbols = mapper.map(latent, mode)
        estimate = mapper.demap(symbols, torch.zeros(symbols.shape), mode)
        torch.testing.assert_close(mapper.map(estimate + 1e-9, mode), symbols)
        assert (estimate - latent).abs().max() <= 1.0 / ORDERS[mode] + 1e-6

    @pytest.mark.parametrize("mode", range(4))
    @pytest.mark.parametrize(("snr_db", "least_gain_db"), [(1.0, 2.0), (7.0, 0.7), (19.0, 0.0)])
    def test_it_is_worth_its_bytes(self, mode, snr_db, least_gain_db):
        """Latent distortion, bound against unbound, for the same noise."""
        latent = middling()
        error = {}
        for name, mapper in (("bound", bound(latent)), ("plain", uniform())):
            estimate = mapper.demap(*noisy(snr_db)(mapper.map(latent, mode)), mode)
            error[name] = (estimate - latent).square().mean().log10().item() * 10.0
        assert error["plain"] - error["bound"] > least_gain_db

    @pytest.mark.parametrize("mode", range(4))
    def test_a_lost_symbol_is_the_latents_mean(self, mode):
        latent = middling() ** 2
        lost = torch.full((1, 1), torch.inf)
        estimate = bound(latent).demap(torch.full((1, 1), complex("nan")), lost, mode).item()
        assert estimate == pytest.approx(latent.mean().item(), abs=2e-3)

    def test_cells_that_never_occurred_are_finite(self):
        """A latent that is always in one cell; the receiver hears another."""
        mapper = uniform().bind({"histogram": torch.eye(256)[200]})
        for mode in range(4):
            assert mapper.map(torch.full((1, 1, 1), 200.5 / 256), mode).abs().item() == pytest.approx(1.0)
            far = -1e3 * mapper.points(mode)[:1].reshape(1, 1)
            estimate = mapper.demap(far.to(torch.complex64), torch.full((1, 1), 1e-9), mode)
            assert 0.0 <= estimate.item() <= 1.0

    def test_gradients_are_those_of_finite_differences(self):
        mapper = bound(middling())
        symbols = torch.randn(1, 3, dtype=torch.complex128, generator=seeded(), requires_grad=True)
        noise_var = torch.rand(1, 3, dtype=torch.float64, generator=seeded(1)).add(0.1).requires_grad_()
        for mode in (0, 3):
            assert torch.autograd.gradcheck(lambda s, v, m=mode: mapper.demap(s, v, m), (symbols, noise_var))

    def test_a_histogram_that_does_not_fit_is_refused(self):
        mapper = uniform().bind({"histogram": torch.ones(100)})
        with pytest.raises(ConfigError, match=r"cells that fit 16 points \(got 100 cells\)"):
            mapper.map(torch.rand(1, 3, 1), 1)
