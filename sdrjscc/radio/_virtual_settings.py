"""What one end of a virtual link is asked for."""

from typing import Literal

from pydantic import Field, field_validator

from sdrjscc.config import Section
from sdrjscc.radio._virtual_sockets import checked_address


class Config(Section):
    """``name = "virtual"``: one end of a link of which the other end is another process.

    Attributes:
        address: ``tcp://HOST:PORT`` or ``ipc://PATH``. The transmitting end binds it, the channel
            process connects; the channel process binds the receiving end's, which connects.
        end: what this end does.
        sample_rate_hz, center_frequency_hz: what it pretends to have; nothing is paced here.
        clock_ppm: what the receiver searches for; what the channel really does is in ``[channel]``.
        antennas: receive antennas. With several, an item of the wire format is one sample of
            each: a flowgraph's block takes a vector length of so many.
        timeout_s: so long is a process waited for that is not there, or fetches nothing at the end.
        queue_samples: a transmission waits while so many samples of earlier ones are unfetched.
    """

    address: str = Field(examples=["tcp://127.0.0.1:5555"])
    end: Literal["transmit", "receive"] = Field(examples=["transmit"])
    sample_rate_hz: float = Field(1e6, gt=0)
    center_frequency_hz: float = Field(2.4e9, ge=0)
    clock_ppm: float = Field(10.0, ge=0, le=100)
    antennas: int = Field(1, ge=1, le=16)
    timeout_s: float = Field(30.0, gt=0, le=86_400)
    queue_samples: int = Field(1 << 20, ge=1, le=1 << 28)

    @field_validator("address")
    @classmethod
    def _is_an_address(cls, address: str) -> str:
        return checked_address(address)
