"""Draw the validation curves that the cards of the bundled weights hold: a row a codec, a panel an SNR.

python benchmarks/training_curves.py --out docs/training.png
"""

import argparse
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sdrjscc.codecs._weights import bundled_cards
from sdrjscc.evaluation._style import new_figure, save_figure, style

PANEL_IN = 2.1, 2.3
LINES = ("-", "--", ":")


def main() -> None:
    """Group the cards by codec and validation SNRs, and draw them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("docs/training.png"))
    arguments = parser.parse_args()
    with style():
        save_figure(draw(grouped(bundled_cards())), arguments.out)
    print(arguments.out)


def grouped(cards: list[dict[str, Any]]) -> dict[tuple[str, ...], list[dict[str, Any]]]:
    """Cards with a curve, by codec and the SNRs that it was validated at."""
    rows: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for card in cards:
        if card.get("curve"):
            rows.setdefault((card["codec"], *card["curve"][-1]["psnr_db"]), []).append(card)
    return rows


def draw(rows: dict[tuple[str, ...], list[dict[str, Any]]]) -> Figure:
    """One row of panels for each group, with its legend in the column after them."""
    columns = max(len(key) for key in rows)
    figure = new_figure(PANEL_IN[0] * columns, PANEL_IN[1] * len(rows))
    panels = figure.subplots(len(rows), columns, squeeze=False)
    for row, ((codec, *levels), cards) in zip(panels, rows.items(), strict=True):
        for axes, level in zip(row, levels, strict=False):
            _panel(axes, cards, level)
            axes.set(title=f"{codec}, {float(level):g} dB", xlabel="steps (thousands)")
        for axes in row[len(levels) :]:
            axes.set_axis_off()
        row[0].set_ylabel("validation PSNR (dB)")
        row[len(levels)].legend(*row[0].get_legend_handles_labels(), loc="center left", fontsize=6.5)
    return figure


def _panel(axes: Axes, cards: list[dict[str, Any]], level: str) -> None:
    for number, card in enumerate(cards):
        steps = [point["step"] / 1000 for point in card["curve"]]
        values = [point["psnr_db"][level] for point in card["curve"]]
        name = Path(card["file"]).stem.removeprefix(f"{card['codec']}_")
        axes.plot(steps, values, LINES[number // 10], color=f"C{number % 10}", label=name)
    axes.grid()


if __name__ == "__main__":
    main()
