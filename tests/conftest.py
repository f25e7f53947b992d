"""Which tests are slow, and when the long campaigns run."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent
# tests that train or run commands lie in these places, others are marked where they stand
SLOW = (
    "data/clips/test_digits.py",
    "data/graphs/test_imports.py",
    "data/graphs/test_neighbor_sampler.py",
    "data/graphs/test_planetoid.py",
    "graphreel/cli",
    "graphreel/experiments",
    "graphreel/inspect",
    "graphreel/report",
    "graphreel/training",
    "rnn/analysis/test_gradient_norms.py",
    "rnn/analysis/test_plot_gates.py",
)


@pytest.hookimpl(tryfirst=True)  # before -m is applied
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE) and item.path.relative_to(HERE).as_posix().startswith(SLOW):
            item.add_marker(pytest.mark.slow)
    # campaigns that take long run where they are asked for by name
    if "attack" not in config.getoption("-m"):
        long = [item for item in items if item.get_closest_marker("attack")]
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]
