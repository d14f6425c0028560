"""Words that the station's tables do not know: published and flagged, listed, and superseded once a table knows them."""
import json
import os
import signal
import socket

import harness

INSTRUMENT = "[instrument tx-1]\ndriver = text\nprofile = meter\nport = tcp:127.0.0.1:{}\npoll = 100ms\n"
METER = """[profile]
title = Meter

[frame]
kind = lines
start = "#"
end = \\r\\n

[line]
separator = semicolon
columns = 4

[field]
sample-no = column 2
item = column 3
value = column 4 decimal
unit = is mg/kg
time = "column 1 time #yyyy-MM-dd HH:mm:ss"
"""


def records(daemon):
    return [entry for entry in daemon.entries() if "kind" in entry]


def unmapped(daemon):
    done = daemon.ctl("--json", "unmapped")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def write_items(daemon, *more):
    with open(os.path.join(harness.ROOT, "config", "items.csv"), encoding="utf-8") as text:
        shipped = text.read()
    with open(os.path.join(daemon.conf, "items.csv"), "w", encoding="gb18030") as out:  # as a spreadsheet saves it
        out.write(shipped + "".join(line + "\n" for line in more))


def test_an_item_nobody_knew_is_listed_and_superseded_when_the_table_knows_it():
    with harness.Room() as room:
        broker = room.broker()
        subscriber = room.subscriber(broker.port)
        server = socket.create_server(("127.0.0.1", 0))
        daemon = room.daemon(INSTRUMENT.format(server.getsockname()[1]), f"broker = mqtt://127.0.0.1:{broker.port}\n")
        os.makedirs(os.path.join(daemon.conf, "profiles"))
        with open(os.path.join(daemon.conf, "profiles", "meter.conf"), "w", encoding="utf-8") as out:
            out.write(METER)
        daemon.start()
        for told in (("S1", "name=菠菜"), ("S2", "party=某合作社")):
            done = daemon.ctl("register", *told)
            assert done.returncode == 0, done.stderr
        line = server.accept()[0]
        line.sendall("#2026-11-20 09:41:00;S1;奥秘素;0.50\r\n#2026-11-20 09:42:00;S2;奥秘素;0.01\r\n"
                     "#2026-11-20 09:43:00;S3;克百威;0.01\r\n#2026-11-20 09:44:00;S4;异物;3\r\n".encode("gb18030"))
        harness.wait_for(lambda: len(subscriber.records()) == 4, 30, "four records at the county's")
        old = records(daemon)
        assert [record["sample"]["no"] for record in old if "unmapped_item" in record["flags"]] == ["S1", "S2", "S4"]
        assert all(record["verdict"] == "none" for record in old if "unmapped_item" in record["flags"])
        assert [(word["what"], word["as_sent"], word["instrument"], word["count"]) for word in unmapped(daemon)] == [
            ("item", "奥秘素", "tx-1", 2), ("item", "异物", "tx-1", 1)]
        table = daemon.ctl("unmapped")
        assert "奥秘素" in table.stdout and "items.csv" in table.stderr

        write_items(daemon, "X-AMS,奥秘素,,colloidal-gold,,ug/kg,limit,<=,9,ug/kg,county,,,")
        with open(os.path.join(daemon.conf, "limits.csv"), "w", encoding="utf-8") as out:
            out.write("item,samples,op,value,unit,source\nX-AMS,菠菜,<=,500,ug/kg,county\n")
        daemon.child.send_signal(signal.SIGHUP)
        harness.wait_for(lambda: len(subscriber.records()) == 6, 30, "two superseding records at the county's")
        new = records(daemon)[len(old):]
        by_id = {record["id"]: record for record in old}
        assert [by_id[record["supersedes"]]["sample"]["no"] for record in new] == ["S1", "S2"]
        assert [(record["item"]["code"], record["verdict"], record["judged"]) for record in new] == [
            ("X-AMS", "negative", {"value": "500", "unit": "ug/kg"}), ("X-AMS", "positive", {"value": "10", "unit": "ug/kg"})]
        assert [record["limit"]["value"] for record in new] == ["500", "9"], "by what people registered of the sample"
        assert new[0]["sample"]["name"] == "菠菜" and new[1]["sample"]["party"] == "某合作社"
        for record in new:
            was = by_id[record["supersedes"]]
            assert record["item"]["as_sent"] == "奥秘素" and "unmapped_item" not in record["flags"]
            assert all(record[key] == was[key] for key in ("value", "unit", "raw", "received_at", "tested_at", "sample"))
        assert records(daemon)[:len(old)] == old, "nothing is edited"
        assert [(word["as_sent"], word["count"]) for word in unmapped(daemon)] == [("异物", 1)]

        daemon.child.send_signal(signal.SIGHUP)
        assert daemon.stop() == 0
        daemon.start()
        harness.wait_for(lambda: daemon.ctl("redecode", "--unmapped").returncode == 0, 10, "the daemon's answer")
        assert len(records(daemon)) == len(old) + 2, "once is enough"
        # a table that was changed while the daemon was away counts from the next start
        assert daemon.stop() == 0
        write_items(daemon, "X-AMS,奥秘素,,colloidal-gold,,ug/kg,limit,<=,100,ug/kg,county,,,", "X-YW,异物,,,,,,,,,,,,")
        daemon.start()
        harness.wait_for(lambda: len(records(daemon)) == len(old) + 3, 20, "the last one superseded")
        assert unmapped(daemon) == [] and daemon.ctl("unmapped").stdout == ""
        assert daemon.stop() == 0
        server.close()


def test_a_sample_nobody_knew_is_listed_and_superseded_when_its_table_knows_it():
    with harness.Room() as room:
        server = socket.create_server(("127.0.0.1", 0))
        daemon = room.daemon(INSTRUMENT.format(server.getsockname()[1]))
        os.makedirs(os.path.join(daemon.conf, "profiles"))
        with open(os.path.join(daemon.conf, "profiles", "meter.conf"), "w", encoding="utf-8") as out:
            out.write(METER)

        def write_commodities(*rows):
            with open(os.path.join(daemon.conf, "commodities.csv"), "w", encoding="gb18030") as out:
                out.write("name,aliases,category,groups\n菠菜,,蔬菜,叶菜类\n" + "".join(row + "\n" for row in rows))

        write_commodities()
        with open(os.path.join(daemon.conf, "limits.csv"), "w", encoding="utf-8") as out:
            out.write("item,samples,op,value,unit,source\nPR-CBF,叶菜类,<=,0.05,mg/kg,county\n")
        daemon.start()
        for told in (("S1", "name=波菜"), ("S2", "name=菠菜")):
            assert daemon.ctl("register", *told).returncode == 0
        line = server.accept()[0]
        line.sendall("#2026-11-20 09:41:00;S1;克百威;0.03\r\n#2026-11-20 09:42:00;S2;克百威;0.03\r\n"
                     "#2026-11-20 09:43:00;S9;克百威;0.03\r\n".encode("gb18030"))
        harness.wait_for(lambda: len(records(daemon)) == 3, 30, "three records")
        old = records(daemon)
        assert [(record["verdict"], "unmapped_sample" in record["flags"]) for record in old] == [
            ("positive", True), ("negative", False), ("positive", True)]
        assert [(word["what"], word["as_sent"], word["count"]) for word in unmapped(daemon)] == [("sample", "波菜", 1), ("sample", "", 1)]
        assert "commodities.csv" in daemon.ctl("unmapped").stderr

        write_commodities("大白菜,波菜,蔬菜,叶菜类")
        daemon.child.send_signal(signal.SIGHUP)
        harness.wait_for(lambda: len(records(daemon)) == 4, 30, "the superseding record")
        new = records(daemon)[-1]
        assert new["supersedes"] == old[0]["id"] and new["sample"] == old[0]["sample"]
        assert (new["commodity"]["name"], new["limit"]["value"], new["verdict"]) == ("大白菜", "0.05", "negative")
        assert [word["as_sent"] for word in unmapped(daemon)] == [""]
        done = daemon.ctl("rebind", "S2", old[2]["id"], "--by", "李四", "--why", "忘了登记")
        assert done.returncode == 0 and "verdict positive -> negative" in done.stdout, done.stderr
        assert unmapped(daemon) == [] and records(daemon)[-1]["commodity"]["name"] == "菠菜"
        assert daemon.stop() == 0
        server.close()
