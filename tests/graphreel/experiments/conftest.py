from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest


@pytest.fixture
def interrupted_after(monkeypatch: pytest.MonkeyPatch) -> Callable[[type, int], AbstractContextManager[None]]:
    """Within the block, a kind of training is interrupted as by Ctrl-C at the loss after so many."""

    @contextmanager
    def interrupt(experiment: Any, losses: int) -> Any:
        build, left = experiment.build, losses

        def interrupted(self: Any, seed: int) -> Any:
            task = build(self, seed)
            loss = task.loss

            def count(batch: Any) -> Any:
                nonlocal left
                left -= 1
                if left < 0:
                    raise KeyboardInterrupt
                return loss(batch)

            task.loss = count
            return task

        with monkeypatch.context() as patch:
            patch.setattr(experiment, "build", interrupted)
            yield

    return interrupt
