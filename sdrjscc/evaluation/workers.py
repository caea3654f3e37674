"""Who computes the cells of a campaign: this process, or Dask's workers. The rows are the same."""

import logging
from collections.abc import Iterator, Sequence
from typing import Any

from sdrjscc.errors import ConfigError
from sdrjscc.evaluation.cells import Cell
from sdrjscc.evaluation.measuring import Job, run_cell
from sdrjscc.evaluation.rows import Row

Finished = tuple[int, list[Row]]
"""Position of a cell, and its rows."""


def run_here(job: Job, cells: Sequence[Cell]) -> Iterator[Finished]:
    """Compute the cells one after the other in this process."""
    for number, cell in enumerate(cells):
        yield number, run_cell(job, cell)


def run_dask(
    job: Job, cells: Sequence[Cell], *, workers: int | None = None, scheduler: str | None = None
) -> Iterator[Finished]:
    """Compute the cells with Dask, in the order in which they become ready.

    Args:
        job: sent to every worker once.
        cells: what to compute.
        workers: start so many processes of one thread each on this machine.
        scheduler: or use the workers of the scheduler at this address (``tcp://host:8786``). They
            need this package, and files of weights at the same place.

    Raises:
        ConfigError: the extra 'campaign' is not installed, or nobody answers at the address.
        SdrJsccError: of a cell.
    """
    distributed = _distributed()
    try:
        client = (
            distributed.Client(scheduler, timeout=30)
            if scheduler is not None
            else distributed.Client(
                n_workers=workers,
                threads_per_worker=1,
                dashboard_address=None,
                silence_logs=logging.ERROR,  # that a worker takes long to stop is nothing to act on
            )
        )
    except (OSError, ValueError) as error:
        raise ConfigError(f"--scheduler must be the address of a Dask scheduler (got {error})") from None
    with client:
        yield from _gathered(distributed, client, job, cells)


def _gathered(distributed: Any, client: Any, job: Job, cells: Sequence[Cell]) -> Iterator[Finished]:
    shared = client.scatter(job, broadcast=True)
    futures = {client.submit(run_cell, shared, cell, pure=False): number for number, cell in enumerate(cells)}
    try:
        for future in distributed.as_completed(futures):
            yield futures[future], future.result()
            future.release()
    finally:
        client.cancel(list(futures))


def _distributed() -> Any:
    try:
        import distributed
    except ImportError as error:
        raise ConfigError(
            f"several workers need the extra 'campaign': pip install 'sdrjscc[campaign]' (got: {error})"
        ) from None
    return distributed
