#!/usr/bin/python3
"""An A6b analyzer behind pymodbus: a6b_pymodbus.py tcp PORT | rtu TTY, then JSON lines on standard input:
{"finish": [value, sample, [y, m, d, h, mi, s]]} -> prints {"seq": n}; {"commands": true} -> prints the commands seen."""
import json
import sys
import threading

from a6b_map import Analyzer
from pymodbus.datastore import ModbusServerContext, ModbusSlaveContext
from pymodbus.datastore.store import BaseModbusDataBlock
from pymodbus.server import StartSerialServer, StartTcpServer
from pymodbus.transaction import ModbusRtuFramer


class Block(BaseModbusDataBlock):
    """Hands register access to the analyzer."""

    def __init__(self, analyzer):
        self.analyzer = analyzer

    def validate(self, address, count=1):
        return all(address + offset in self.analyzer.registers for offset in range(count))

    def getValues(self, address, count=1):  # noqa: N802 (pymodbus' name)
        return self.analyzer.read(address, count)

    def setValues(self, address, values):  # noqa: N802
        for offset, value in enumerate(values if isinstance(values, list) else [values]):
            self.analyzer.write(address + offset, value)


def commands(analyzer):
    for line in sys.stdin:
        asked = json.loads(line)
        if "finish" in asked:
            value, sample, tested_at = asked["finish"]
            print(json.dumps({"seq": analyzer.finish(value, sample, tested_at)}), flush=True)
        else:
            print(json.dumps({"commands": [(value, selected) for value, selected, _ in analyzer.commands]}), flush=True)


def main():
    analyzer = Analyzer()
    threading.Thread(target=commands, args=(analyzer,), daemon=True).start()
    context = ModbusServerContext(slaves=ModbusSlaveContext(hr=Block(analyzer), zero_mode=True), single=True)
    if sys.argv[1] == "tcp":
        StartTcpServer(context=context, address=("127.0.0.1", int(sys.argv[2])))
    else:
        StartSerialServer(context=context, framer=ModbusRtuFramer, port=sys.argv[2], baudrate=115200, timeout=0.005)


main()
