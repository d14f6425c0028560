"""An instrument whose app adds a random amount to the inhibition it displays: the county is told, and nothing is corrected.

The thousand tests of the promise are in tests/unit/test_offset.c; here the same through lines, journal, broker and platform."""
from decimal import Decimal

import harness


def test_an_app_that_displays_other_inhibitions_than_it_measured_is_told_of():
    with harness.Room() as room:
        broker = room.broker()
        subscriber = room.subscriber(broker.port)
        options = ("--results", "60", "--rate", "100", "--blank-wells", "0", "--start-delay", "1")
        sims = {"honest": room.sim("honest", "a6b", ("--tcp", "127.0.0.1:0"), "--seed", "5", *options),
                "other": room.sim("other", "a6b", ("--tcp", "127.0.0.1:0"), "--seed", "6", "--app-offset", "5", *options)}
        daemon = room.daemon("".join(
            f"[instrument {name}]\ndriver = modbus\nprofile = analyzer-a6b\nport = modbus-tcp:{sim.address}\npoll = 100ms\n"
            for name, sim in sims.items()), f"broker = mqtt://127.0.0.1:{broker.port}\n")
        daemon.start()
        harness.wait_for(lambda: all(len(sim.truth()) >= 60 for sim in sims.values()), 60, "all results finished")
        verdict = harness.settle(list(sims.values()), subscriber, 60)
        assert verdict.lost == [] and verdict.doubled == [] and verdict.invented == [], verdict
        truth = {(name, line["instrument_seq"]): line for name, sim in sims.items() for line in sim.truth()}
        told = 0
        for record, _ in subscriber.records():
            line = truth[record["instrument"]["id"], record["instrument_seq"]]
            if record["kind"] != "sample" or record.get("item", {}).get("code") != "PR-OPCB":
                continue
            offset = abs(Decimal(line.get("app_offset", "0")))
            flagged = "inhibition_disagrees" in record["flags"]
            assert record["value"] == line["value"]  # as displayed: flagged, not corrected
            assert record["recomputed"]["agrees"] is not flagged
            assert flagged or offset < Decimal("0.9"), (record, line)
            assert not flagged or offset > Decimal("0.3"), (record, line)
            told += flagged
        assert told >= 5
        assert daemon.stop() == 0
