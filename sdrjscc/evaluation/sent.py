"""What became of one picture of a campaign."""

from dataclasses import dataclass, field

from sdrjscc.evaluation.rows import Row
from sdrjscc.evaluation.symbol_level import Delivered
from sdrjscc.images.io import Picture


@dataclass(frozen=True)
class Sent:
    """One picture's way.

    Attributes:
        picture: as it was sent; where that is not known, as it was received.
        delivered: what a viewer sees.
        columns: those of its row that are not of the picture's quality.
        known: whether ``picture`` is what was sent, so that there is something to measure against.
    """

    picture: Picture
    delivered: Delivered
    columns: Row = field(default_factory=dict)
    known: bool = True
