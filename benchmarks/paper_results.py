"""The papers' claims, re-measured: ``docs/results.md`` and what stands beside it in ``docs/results``.

    python benchmarks/paper_results.py --runs runs/campaigns [--kodak kodak] [--cifar10 cifar10-test]

With ``--runs`` the tables (CSV) and figures are made anew from the rows of the campaigns ``paper-...``,
each run by ``sdrjscc evaluate`` as the page says; a campaign that is not there keeps its tables. The page
is then written from ``docs/results/page.md.j2``, whose every figure comes from those tables, from
``sdrjscc/codecs/costs.json`` or from the cards of the weights.
"""

import argparse
from pathlib import Path
from typing import Any

from _paper import licrnet, power, ren, tables, ujscc
from _paper.figures import draw, keep_small
from _paper.numbers import Numbers, collect
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from sdrjscc.files import write_text_atomic

ROOT = Path(__file__).parent.parent
TABLES = ROOT / "docs" / "results"
PAGE = ROOT / "docs" / "results.md"
PRUNING = ROOT / "benchmarks" / "results" / "pruning.json"
ASSIGNMENT, POWER, RECEIVERS = "ujscc-assignment.csv", "ujscc-power.csv", "ren-receivers.csv"
PICTURES = {"ren-pictures": ("paper-ren-pictures", "01-pictures-1.png")}
"""Figures of the campaigns' own reports that the page shows."""


def render(folder: Path = TABLES) -> str:
    """The page, from the tables of ``folder``."""
    environment = Environment(
        loader=FileSystemLoader(folder),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    return environment.get_template("page.md.j2").render(**_functions(Numbers(folder)))


def _functions(numbers: Numbers) -> dict[str, Any]:
    """What the page may ask for."""
    return {
        "mean": numbers.mean,
        "curve": numbers.curve,
        "diff": numbers.diff,
        "column": numbers.column,
        "crossover": numbers.crossover,
        "span": numbers.span,
        "has": numbers.has,
        "curve_table": lambda *words, **named: tables.curve_table(numbers, *words, **named),
        "diff_table": lambda *words, **named: tables.diff_table(numbers, *words, **named),
        "dsc_costs": tables.dsc_costs,
        "ren_costs": lambda: tables.ren_costs(numbers, PRUNING),
        "ujscc_costs": tables.ujscc_costs,
        "convergence": tables.convergence,
        "constant_share": ren.constant_share,
        "receivers": lambda: ren.receivers(TABLES / RECEIVERS),
        "norm_shares": ujscc.norm_shares,
        "norm_share": ujscc.norm_share,
        "stored": ujscc.stored,
        "norm_statistics": ujscc.norm_statistics,
        "assignment_distortion": ujscc.assignment_distortion,
        "assignment_psnr": lambda: ujscc.assignment_psnr(TABLES / ASSIGNMENT),
        "power_sent": lambda: power.table(TABLES / POWER),
        "licrnet_costs": licrnet.costs,
        "licrnet_scores_ratio": licrnet.scores_ratio,
        "licrnet_macs_ratio": licrnet.macs_ratio,
        "licrnet_time_ratio": licrnet.time_ratio,
    }


def main() -> None:
    """Collect if asked to, draw, and write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=Path, help="folder of the campaigns' folders")
    parser.add_argument("--kodak", type=Path, help="test pictures: measures the receivers' errors anew")
    parser.add_argument(
        "--cifar10", type=Path, help="test pictures: measures the codewords' places and the power sent anew"
    )
    arguments = parser.parse_args()
    runs = arguments.runs
    if arguments.kodak is not None:
        ren.measure_receivers(arguments.kodak, TABLES / RECEIVERS)
    if arguments.cifar10 is not None:
        ujscc.measure_assignment(arguments.cifar10, TABLES / ASSIGNMENT)
        power.measure(arguments.cifar10, TABLES / POWER)
    if runs is not None:
        print("collected", ", ".join(collect(runs, TABLES)) or "nothing")
        draw(Numbers(TABLES), TABLES)
        for name, (campaign, figure) in PICTURES.items():
            source = runs / campaign / "figures" / figure
            if source.exists():
                keep_small(source, TABLES / f"{name}.png")
    write_text_atomic(PAGE, render())
    print(f"wrote {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
