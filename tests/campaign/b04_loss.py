#!/usr/bin/python3
"""B4: the network loses 1, 10 and 30 % of the packets each way, then carries 64 kbit/s. 0 lost; what came through is recorded.

The control is the network itself: as many packets must have been dropped as was said, but for chance, or the row would have
tested nothing."""
import math
import time

import row
import net
import station

SECONDS = row.size(60, 3)
RATE = row.size(20, 10)
SHARES = row.size([0.01, 0.1, 0.3], [0.1])
RESULTS = RATE * SECONDS * (len(SHARES) + 1)
DEVIATIONS = 4  # of the binomial distribution, by which the dropped packets may be off: chance exceeds it once in 16,000 times


def come(room):
    """Results that come to the platform in a second."""
    before, begun = len(room.stored()), time.monotonic()
    time.sleep(SECONDS)
    return (len(room.stored()) - before) / (time.monotonic() - begun)


def main(cable):
    notes, bites = [], True
    with cable.station(RESULTS, RATE) as room:
        for share in SHARES:
            with cable.loss(share):
                came = come(room)
                gone, everything = cable.dropped()
            off = abs(gone - share * everything)
            bites = bites and gone > 0 and off <= DEVIATIONS * math.sqrt(everything * share * (1 - share))
            notes.append(f"{100 * share:.0f} % ({gone} of {everything} packets) {came:.1f}/s")
        with cable.slow("64kbit"):
            notes.append(f"64 kbit/s {come(room):.1f}/s")
        whole = room.wait_for_all(RESULTS, 300)
        judgement, connects = room.judge(), room.target()["connects"]
    station.explain(judgement)
    row.end("B4", f"{station.figures(judgement)} at {RATE}/s; came: {', '.join(notes)}; {connects} connections",
            station.sound(judgement) and whole and bites)


main(net.enter())
