"""What every connection and every request shares."""

from dataclasses import dataclass

from local.voice.ears import Ears
from local.voice.faults import Faults
from local.voice.mind import Mind
from local.voice.stats import Stats
from local.voice.voicebox import Voicebox
from shared.clock import Clock


@dataclass(frozen=True, slots=True)
class Services:
    mind: Mind
    voicebox: Voicebox
    ears: Ears
    faults: Faults
    stats: Stats
    clock: Clock
