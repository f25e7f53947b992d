"""The command line: `graphreel`, and `python -m graphreel`."""

import sys

from graphreel.core.interrupt import handle_as_program


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code: 0, 1 (training diverged), 2 (bad input), 130 (interrupted)."""
    from graphreel.cli.app import run

    return run(arguments)


def main() -> None:
    handle_as_program()
    from graphreel.core.lazy_room import silence_scripting

    silence_scripting()
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
