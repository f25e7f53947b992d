"""How a training ends early. The command line knows these without importing torch."""

import signal


class TrainingError(Exception):
    """A training could not go on; the command line says why and exits with 1."""


class NotFinite(TrainingError, ArithmeticError):
    """A loss or a metric became NaN or infinite."""


class RunFolderLost(TrainingError, OSError):
    """The run folder was deleted or moved while a training wrote to it."""


class RankLost(TrainingError):
    """One of several processes that train together has ended, and the others cannot go on."""


class Stopped(BaseException):
    """A signal asked the process to end; the command line exits with 128 + `number`, as shells expect."""

    def __init__(self, number: int, place: str = ""):
        name = signal.Signals(number).name
        super().__init__(f"stopped by {name}{place}; a training goes on with --resume RUN")
        self.number = number
