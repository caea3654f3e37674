"""A campaign being run: what is done, what is still to do, and all rows at the end."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from torch import Tensor

from sdrjscc.errors import ConfigError
from sdrjscc.evaluation.campaign import Campaign
from sdrjscc.evaluation.cells import Cell, digests, expand, read_pictures
from sdrjscc.evaluation.figures_campaign import (
    Drawn,
    cost_figure,
    headline_curves,
    pictures_figure,
    shown_snrs,
)
from sdrjscc.evaluation.measuring import Job, check_cell, check_job, macs_per_pixel, received_pixels
from sdrjscc.evaluation.rows import COLUMNS, KEYS, Parts, Row, require_arrow, write_rows
from sdrjscc.evaluation.summary import Curve, Rows, curves, settings
from sdrjscc.evaluation.workers import run_dask, run_here
from sdrjscc.images.datasets import find_images
from sdrjscc.images.io import Picture
from sdrjscc.link.log import file_hash

ROWS = "rows.parquet"


class CampaignRun:
    """A campaign with its pictures and its folder.

    ::

        out/
          parts/<digest>.parquet   a finished cell
          rows.parquet             all of them, when all are there

    Attributes:
        campaign, cells: what is computed.
        job: pictures and metrics.
        out: the folder.
    """

    def __init__(self, campaign: Campaign, data: Path | None, out: Path, lpips: Path | None = None) -> None:
        """Read the pictures and build every codec once, so that what cannot work is said at once.

        Args:
            campaign: what to do.
            data: folder of pictures; recordings know the bundled photographs without.
            out: folder of the results; parts of the same cells in it count as done.
            lpips: backbone file, for campaigns that measure LPIPS.

        Raises:
            SdrJsccError: a part cannot be had, or there are no pictures.
        """
        require_arrow()
        self.campaign, self.out = campaign, out
        self.cells = expand(campaign)
        wanted = lpips if campaign.metrics.lpips else None
        replayed = bool(campaign.level.recordings)
        pictures = tuple(read_pictures(campaign, data))
        self.job = Job(pictures, campaign.metrics, wanted, data if replayed else None)
        check_job(self.job)
        for cell in self.cells:
            check_cell(cell)
        if campaign.headline is not None:
            nothing = dict.fromkeys(COLUMNS)
            headline_curves(curves([nothing | cell.keys() for cell in self.cells]), campaign.headline)
        known = [file_hash(file) for file in find_images(data)] if replayed and data is not None else []
        self._digests = digests(self.cells, pictures, campaign.metrics, wanted, known)
        self._parts = Parts(out / "parts")

    def missing(self) -> list[Cell]:
        """Cells that are still to be done."""
        return [self.cells[number] for number in self._parts.missing(self._digests)]

    def restart(self) -> None:
        """Forget the cells that are done."""
        self._parts.forget(self._digests)

    def compute(self, *, workers: int = 1, scheduler: str | None = None) -> Iterator[Cell]:
        """Compute what is missing; a cell is on disk when it is yielded.

        Args:
            workers: processes on this machine.
            scheduler: address of a Dask scheduler to use instead.

        Raises:
            ConfigError: a radio is on the air, and more than one is to use it.
            SdrJsccError: of a cell.
        """
        left = self._parts.missing(self._digests)
        cells = [self.cells[number] for number in left]
        if scheduler is None and workers == 1:
            finished = run_here(self.job, cells)
        else:
            self._check_shareable()
            finished = run_dask(self.job, cells, workers=workers, scheduler=scheduler)
        for number, rows in finished:
            self._parts.write(self._digests[left[number]], rows)
            yield cells[number]

    def rows(self) -> list[Row]:
        """Rows of the cells that are done, by cell in the campaign's order, then by picture."""
        return self._parts.read(self._digests)

    def write(self) -> Path:
        """Write all rows into one file; returns its path."""
        path = self.out / ROWS
        write_rows(path, self.rows())
        return path

    def further_figures(self) -> dict[str, list[Drawn]]:
        """Figures that take more than rows, by setting: pictures as they arrived, and operations.

        The pictures are sent again, which gives the same ones, unless a radio is on the air.
        """
        found: dict[str, list[Drawn]] = {}
        for number, (setting, there) in enumerate(settings(curves(self.rows())).items(), start=1):
            drawn = found.setdefault(setting, [])
            if self.campaign.metrics.psnr_db:
                drawn += cost_figure(number, setting, there, self._macs())
            if self.campaign.images.shown and not self._on_air():
                drawn += self._pictures(number, setting, there)
        return found

    def _macs(self) -> dict[str, float]:
        """Multiply-accumulates a pixel of each codec that has a network, by its label."""
        tables = {cell.codec: cell.config.codec for cell in self.cells}
        return {label: macs for label, table in tables.items() if (macs := macs_per_pixel(table))}

    def _pictures(self, number: int, setting: str, there: Sequence[Curve]) -> Iterator[Drawn]:
        """The chosen pictures at some SNRs, each by its first cell there."""
        cells = {json.dumps(cell.keys()): cell for cell in self.cells}
        for place, picture in enumerate(self.job.pictures[: self.campaign.images.shown]):
            grid = {
                curve.codec: [self._shown(cells, picture, curve.rows[snr], snr) for snr in shown_snrs(there)]
                for curve in there
            }
            yield pictures_figure(number, place, setting, picture.name, grid)

    def _shown(
        self, cells: Mapping[str, Cell], picture: Picture, rows: Rows, snr: float | None
    ) -> tuple[str, Tensor]:
        row = next(row for row in rows if row["image"] == picture.name)
        cell = cells[json.dumps({key: row[key] for key in KEYS})]
        level = "identical" if row["psnr_db"] is None else f"{row['psnr_db']:.2f} dB"
        return ("" if snr is None else f"{snr:g} dB: ") + level, received_pixels(cell, picture)

    def _on_air(self) -> bool:
        return any(cell.on_air for cell in self.cells)

    def _check_shareable(self) -> None:
        if self._on_air():
            name = self.cells[0].config.radios.tx["name"]
            raise ConfigError(f"--workers must be 1 where one radio is used by all (got radio {name})")
