"""Draw the validation curves that the cards of the bundled weights hold.

python benchmarks/training_curves.py --out docs/training.png
"""

import argparse
from pathlib import Path

from sdrjscc.codecs._weights import bundled_cards
from sdrjscc.evaluation._style import legend_above, new_figure, save_figure, style


def main() -> None:
    """Draw one panel per SNR, one line per weights file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("docs/training.png"))
    arguments = parser.parse_args()
    cards = [card for card in bundled_cards() if card.get("curve")]
    levels = list(cards[0]["curve"][-1]["psnr_db"])
    with style():
        figure = new_figure(3.0 * len(levels), 3.0)
        panels = figure.subplots(1, len(levels), sharex=True, squeeze=False)[0]
        for panel, level in zip(panels, levels, strict=True):
            for card in cards:
                steps = [point["step"] / 1000 for point in card["curve"]]
                values = [point["psnr_db"][level] for point in card["curve"]]
                panel.plot(steps, values, label=f"{card['codec']} {card['variant']}")
            panel.set_title(f"SNR {float(level):g} dB")
            panel.set_xlabel("step (thousands)")
        panels[0].set_ylabel("validation PSNR (dB)")
        legend_above(panels[0], 1)
        save_figure(figure, arguments.out)
    print(arguments.out)


if __name__ == "__main__":
    main()
