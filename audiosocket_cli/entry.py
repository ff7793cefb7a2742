"""Where the command begins: signals are heard before anything slow is imported."""

import gc
import sys

from audiosocket_cli.signals import take_over_process

_COLLECT_AFTER = 20_000


def main() -> None:
    """Run the command line and exit; `cli.main` does, once signals are heard."""
    # What is imported stays, and calls leave few cycles behind: looking for them often costs more than they do.
    gc.set_threshold(_COLLECT_AFTER)
    try:
        take_over_process(sys.argv[1:])
        from audiosocket_cli.cli import main as run_command_line

        run_command_line()
    except ImportError as error:
        from audiosocket_cli.libraries import import_problem

        problem = import_problem(error)
        if problem is None:
            raise
        sys.exit(f"audiosocket: error: {problem}")
    except KeyboardInterrupt:  # while something was imported: `run_command_line` takes all others
        sys.exit(130)
    finally:
        gc.freeze()  # at its exit Python would look for cycles in all that was imported: a sixth of a short command
