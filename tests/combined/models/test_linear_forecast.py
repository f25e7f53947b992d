import pytest
import torch

from graphreel.combined.models.linear_forecast import INPUTS, LinearForecast, neighbours_mean

EDGES = torch.tensor(
    [[0, 1, 2, 2, 1], [1, 0, 0, 2, 0]]
)  # a self-loop at 2, two edges 1 -> 0, nothing into 2 but itself
WEIGHT = torch.tensor([2.0, 1.0, 3.0, 5.0, 1.0], dtype=torch.float64)


def values(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def loop_mean(x, edges, weight):
    told = torch.zeros_like(x)
    for node in range(x.size(-1)):
        kept = [
            (s, w) for (s, t), w in zip(edges.t().tolist(), weight.tolist(), strict=True) if t == node and s != node
        ]
        if kept:
            told[..., node] = sum(w * x[..., s] for s, w in kept) / sum(w for _, w in kept)
    return told


def test_neighbours_mean_is_the_loop():
    x = values(4, 3, 3)
    torch.testing.assert_close(neighbours_mean(x, EDGES, WEIGHT, None), loop_mean(x, EDGES, WEIGHT))
    ones = torch.ones(5, dtype=torch.float64)
    torch.testing.assert_close(neighbours_mean(x, EDGES, None, None), loop_mean(x, EDGES, ones))


def test_neighbours_mean_of_a_graph_that_changes():
    x = values(2, 2, 3)
    graphs = [EDGES, EDGES[:, :2], EDGES.flip(0), EDGES[:, 2:]]
    weights = [WEIGHT, WEIGHT[:2], WEIGHT, WEIGHT[2:]]
    frame = torch.repeat_interleave(torch.arange(4), torch.tensor([g.size(1) for g in graphs]))
    found = neighbours_mean(x, torch.cat(graphs, 1), torch.cat(weights), frame)
    for place, (graph, weight) in enumerate(zip(graphs, weights, strict=True)):
        window, step = divmod(place, 2)
        torch.testing.assert_close(found[window, step], loop_mean(x[window, step], graph, weight))


def test_the_forecast_is_the_scalar_formula():
    model = LinearForecast(2, 2, 2).double()
    model.weight = values(2, 2 * 3 + 2)
    x = values(3, 4, 3, 2)
    found = model(x, EDGES, WEIGHT)
    means = loop_mean(x[..., 0], EDGES, WEIGHT)
    for b in range(3):
        for step in range(2):
            for node in range(3):
                read = [*x[b, -2:, node, 0], *means[b, -2:, node], *x[b, -2:, :, 0].mean(-1), x[b, -1, node, 1], 1.0]
                expected = sum(float(w) * float(r) for w, r in zip(model.weight[step], read, strict=True))
                assert float(found[b, step, node]) == pytest.approx(expected)


def test_fitting_finds_the_weights_that_made_the_data():
    truth = LinearForecast(3, 2).double()
    truth.weight = values(2, 10)
    x = values(60, 3, 5, 1)
    edges = torch.tensor([[0, 1, 2, 3, 4], [1, 2, 3, 4, 0]])
    y = truth(x, edges)
    seen = torch.rand(y.shape, generator=torch.Generator().manual_seed(0)) > 0.2
    y[~seen] = 1e3  # what is not observed must not count
    fitted = LinearForecast(3, 2).double()
    fitted.fit(fitted.columns(x, edges), y, seen, 1e-9)
    torch.testing.assert_close(fitted.weight, truth.weight, rtol=1e-5, atol=1e-6)


def test_the_penalty_is_that_of_ridge_regression():
    x, y, scale = values(30, 2, 3, 1), values(30, 1, 3), torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64)
    model = LinearForecast(2, 1, inputs=("own",)).double()
    model.fit(model.columns(x, EDGES), y, torch.ones_like(y, dtype=torch.bool), 5.0, scale)
    rows = torch.cat([x[..., 0].transpose(1, 2), torch.ones(30, 3, 1, dtype=torch.float64)], -1)
    weight = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    error = (rows @ weight - y[:, 0]) * scale
    ((error**2).sum() + 5.0 * (weight[:-1] ** 2).sum()).backward()
    slope = weight.grad
    hessian = 2 * torch.einsum("bni,bnj,n->ij", rows, rows, scale**2) + 2 * torch.diag(torch.tensor([5.0, 5.0, 0.0]))
    torch.testing.assert_close(model.weight[0], -torch.linalg.solve(hessian, slope), rtol=1e-5, atol=1e-7)


def test_the_second_term_reads_every_node_and_corrects_the_first():
    x = values(40, 6, 3, 1)
    model = LinearForecast(6, 2, nodes=3).double()
    assert model.reach == [1, 2, 6]
    model.weight, model.across = values(2, 19), values(6, 9)
    told = model(x, EDGES, WEIGHT)
    alone = LinearForecast(6, 2).double()
    alone.weight = model.weight
    first = alone(x, EDGES, WEIGHT)
    for b in range(4):
        for step in range(2):
            for node in range(3):
                row = model.across[step * 3 + node].view(3, 3)
                added = sum(float(row[r] @ x[b, -lag, :, 0]) for r, lag in enumerate(model.reach))
                assert float(told[b, step, node] - first[b, step, node]) == pytest.approx(added)
    again = LinearForecast(6, 2, nodes=3).double()
    again.weight = model.weight
    seen = torch.ones_like(told, dtype=torch.bool)
    again.fit_across(again.columns(x, EDGES, WEIGHT), again.of_all(x), told, seen, 1e-9)
    torch.testing.assert_close(again.across, model.across, rtol=1e-5, atol=1e-6)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="inputs must be some of own, neighbours, network, got far"):
        LinearForecast(2, 1, inputs=("far",))
    with pytest.raises(ValueError, match="x has 1 steps, but the forecast reads 2"):
        LinearForecast(2, 1)(values(1, 1, 3, 1).float(), EDGES)
    assert INPUTS == ("own", "neighbours", "network")


def test_the_equations_of_parts_add_up_to_those_of_the_whole():
    linear = LinearForecast(3, 2, inputs=("own", "network"))
    columns, y = linear.columns(values(9, 3, 4, 1), EDGES), values(9, 2, 4)
    observed = torch.ones_like(y, dtype=torch.bool)
    scale = torch.tensor([1.0, 2.0, 0.5, 1.0])
    for holes in (False, True):
        observed[5, 1, 2] = not holes
        (q1, p1), (q2, p2) = (
            linear.equations(columns[part], y[part], observed[part], scale) for part in (slice(0, 4), slice(4, 9))
        )
        squares, products = linear.equations(columns, y, observed, scale)
        assert len(squares) == (2 if holes else 1)
        torch.testing.assert_close(q1 + q2, squares)
        torch.testing.assert_close(p1 + p2, products)
        for step in range(2):  # each step by itself, on what is observed alone
            seen = observed[:, step].flatten()
            rows, told = columns.flatten(0, 1)[seen], y[:, step].flatten()[seen]
            weigh = (scale**2).repeat(9)[seen].double()
            penalty = torch.diag(torch.tensor([2.0] * (rows.size(1) - 1) + [1e-6], dtype=torch.float64))
            expected = torch.linalg.solve(rows.t() @ (rows * weigh[:, None]) + penalty, rows.t() @ (weigh * told))
            found = linear.solve((squares, products), 2.0).weight[step]
            torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("observed", [True, False], ids=["one system", "a system a step"])
def test_values_that_leave_no_one_solution_are_one_sentence(observed):
    x, edge_index = torch.full((4, 3, 2, 1), 1e30), torch.empty(2, 0, dtype=torch.long)
    linear = LinearForecast(3, 2, nodes=2)
    columns, y, there = linear.columns(x, edge_index), torch.ones(4, 2, 2), torch.ones(4, 2, 2, dtype=torch.bool)
    there[0] = observed
    with pytest.raises(ValueError, match=r"no one solution, with squares of up to .*: look for extreme values"):
        linear.fit(columns, y, there, 0.1)
    with pytest.raises(ValueError, match="no one solution"):
        linear.fit_across(columns, linear.of_all(x), y, there, 0.1)
