#!/usr/bin/python3
"""B8: the broker takes no packets as large as the largest entries. With MQTT 5 it announces that: they are never sent, parked
with both sizes, and the link lives. With MQTT 3.1.1 it ends the link over each: they are found out and parked. The others flow.

The control is the broker's own log: with MQTT 3.1.1 it must have met packets too large, with MQTT 5 none."""
import concurrent.futures
import json

import row
import harness
import station

RESULTS = row.size(300, 40)
PACKET_MAX = 3000
LARGE = row.size(3, 1)
# an analyzer whose messages, which are kept as they came, are larger than that
ANALYZER = "\n[instrument analyzer-1]\ndriver = hl7\nport = tcp-listen:127.0.0.1:{port}\n"
MESSAGE = ("\x0bMSH|^~\\&|FIA|R1|LIS|ROOM|20260305094120||ORU^R01|M{number}|P|2.3.1\rOBR|1||S{number}|P^Panel|||20260305094001\r"
           "OBX|1|NM|T1^Test||5.{number}|ug/kg|<10|N|||F|||20260305094001||||" + "x" * 3000 + "\r\x1c\r")
MET = "disconnected due to oversize packet"


def case(protocol):
    """(parked, connects, how often the broker met one, whether all was as it should be)"""
    with station.Station() as room:
        broker = room.broker(extra=f"max_packet_size {PACKET_MAX}")
        room.platform(broker.port, protocol)
        room.reader(RESULTS, rate=60)
        port = harness.free_port()
        room.config += ANALYZER.format(port=port)
        room.run(broker.port, protocol)
        with harness.dial(port) as line:
            line.sendall("".join(MESSAGE.format(number=number) for number in range(LARGE)).encode())
            large = lambda: {seq for seq, entry in room.journal().items() if len(entry) > PACKET_MAX}
            harness.wait_for(lambda: len(large()) == LARGE, 20, "the large ones in the journal")
        harness.wait_for(lambda: room.all_there(RESULTS), 60, "every other result")
        harness.wait_for(room.receipted, 60, "what is parked to need no receipt")
        parked = [json.loads(line) for line in room.assayd.ctl("--json", "parked").stdout.splitlines()]
        judgement, connects = room.judge(), room.target()["connects"]
        met = sum(MET in line for line in broker.log().splitlines())
        right = {entry["seq"] for entry in parked} == large()
        if not right:
            row.explain(f"parked {parked}, too large are {large()}", broker.log()[-1000:])
    station.explain(judgement)
    return len(parked), connects, met, right and station.sound(judgement), judgement


def main():
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        five, three = pool.map(case, ("5", "3.1.1"))
    row.end("B8", "; ".join(f"MQTT {protocol}: {parked} of {LARGE} parked, {judgement.stored} of {judgement.finished} results stored, "
                            f"{connects} connections, the broker met {met}"
                            for protocol, (parked, connects, met, _, judgement) in (("5", five), ("3.1.1", three))),
            five[3] and three[3] and five[1] == 1 and five[2] == 0 and three[2] > 0)


main()
