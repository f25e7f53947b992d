import pytest
import torch

from graphreel.experiments.series_gate import band, shares


def errors_of(*deviations, windows=60, nodes=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(len(deviations), windows, 1, nodes, generator=generator)
    return noise * torch.tensor(deviations)[:, None, None, None], torch.ones(windows, 1, nodes, dtype=torch.bool)


@pytest.mark.parametrize("power", [1, 2])
def test_shares_go_to_what_errs_least_and_sum_to_one(power):
    errors, observed = errors_of(1.0, 4.0, 5.0)
    found = shares(errors, observed, power)
    torch.testing.assert_close(found.sum(0), torch.ones(5))
    assert float(found[0].min()) > 0.85


@pytest.mark.parametrize("power", [1, 2])
def test_a_forecast_that_is_hopelessly_far_has_no_share(power):
    errors, observed = errors_of(1.0, 2.0)
    far = torch.cat([errors, torch.full_like(errors[:1], 1e7)])  # zero, beside values of 1e8 +- 10
    far[2, :, :, 4] = errors[1, :, :, 4]
    found = shares(far, observed, power)
    assert found[2, :4].tolist() == [0.0] * 4 and float(found[2, 4]) > 0 and found.isfinite().all()
    torch.testing.assert_close(found.sum(0), torch.ones(5))


def test_errors_that_cancel_are_mixed():
    errors, observed = errors_of(1.0, 1.0)
    errors[1] = -errors[0]
    assert float((shares(errors, observed, 2)[0] - 0.5).abs().max()) < 0.1


def test_a_node_leaves_the_others_only_where_the_evidence_is_strong():
    def share_of_second(windows):
        errors, observed = errors_of(1.0, 2.0, windows=windows, nodes=20)
        errors[:, :, :, 0] = errors[:, :, :, 0].flip(0)  # the first node is the other way round
        return shares(errors, observed, 2)[1]

    few, many = share_of_second(3), share_of_second(200)
    assert float(few[0]) < 0.5 and float(many[0]) > 0.7 and float(many[1:].max()) < 0.3


def test_what_is_missing_counts_for_nothing():
    errors, observed = errors_of(1.0, 2.0)
    observed[10:20, :, 2] = False
    spoiled = errors.masked_fill(~observed, 1e6)
    torch.testing.assert_close(shares(spoiled, observed, 1), shares(errors * observed, observed, 1))
    observed[:, :, 3] = False
    assert shares(errors, observed, 2).isfinite().all()


def test_the_band_holds_the_share_that_was_asked_for():
    generator = torch.Generator().manual_seed(0)
    size = torch.tensor([1.0, 10.0, 0.1])
    errors = torch.randn(4000, 2, 3, generator=generator) * size
    observed = torch.rand(errors.shape, generator=generator) > 0.2
    told = band(errors[:2000], observed[:2000], size, 0.9)
    inside = (errors[2000:].abs() <= told)[observed[2000:]].double().mean()
    assert float(inside) == pytest.approx(0.9, abs=0.015)
    torch.testing.assert_close(told[0] / size, told[0, :1].expand(3) / size[0])
    # as in the paper: of 9 values the 9th in order for 90 %, not the 8.1th
    nine = torch.arange(1.0, 10.0).view(9, 1, 1)
    assert float(band(nine, torch.ones(9, 1, 1, dtype=torch.bool), torch.ones(1), 0.9)) == 9.0
