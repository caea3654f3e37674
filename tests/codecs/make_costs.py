"""Counts the operations of every listed codec anew: ``python tests/codecs/make_costs.py``."""

import json

from sdrjscc.codecs._catalogue import COSTS, count, listed
from sdrjscc.files import write_text_atomic


def main() -> None:
    lines = ",\n".join(json.dumps(count(entry)) for entry in listed())
    write_text_atomic(COSTS, f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
