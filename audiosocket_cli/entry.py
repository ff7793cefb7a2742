"""Where the command begins: signals are heard before anything slow is imported."""

import gc
import os
import sys

from audiosocket_cli.signals import take_over_process

_COLLECT_AFTER = 20_000
_THREADS_OF_BLAS = "OPENBLAS_NUM_THREADS"


def main() -> None:
    """Run the command line and exit; `cli.main` does, once signals are heard."""
    # What is imported stays, and calls leave few cycles behind: looking for them often costs more than they do.
    gc.set_threshold(_COLLECT_AFTER)
    # Blocks of sound are small: the threads that BLAS (numpy's) starts for all other cores take a third of a command's
    # start, and bring nothing. What we start gets `os.environ`, which `putenv` leaves as it is.
    os.putenv(_THREADS_OF_BLAS, os.environ.get(_THREADS_OF_BLAS, "1"))
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
