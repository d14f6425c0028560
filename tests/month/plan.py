"""The plan of the month: what is tested when, on which instrument, with which result; and what happens to the room."""
import csv
import datetime
import os

import clock

HERE = os.path.dirname(os.path.abspath(__file__))
STATION = "站"  # in the column of the instrument: the row is no test, but something that happens


class Row:
    """A row of plan.csv, its columns under English names."""

    def __init__(self, number, columns):
        (day, hour, self.instrument, well, self.sample_no, self.name, self.party, self.item, self.value, self.unit, self.said,
         self.inspector, self.remark) = columns
        self.row = number
        self.at = clock.moment(f"{day} {hour}")
        self.well = int(well) if well else 0
        self.is_control = self.remark == "对照"
        self.is_test = self.instrument != STATION

    @property
    def day(self):
        return self.at.date()


def read(path=os.path.join(HERE, "plan.csv")):
    with open(path, encoding="utf-8", newline="") as file:
        return [Row(number, columns) for number, columns in enumerate(csv.reader(file), 1) if number > 1]


def moments(rows):
    """[(when, rows)] in order."""
    found = {}
    for row in rows:
        found.setdefault(row.at, []).append(row)
    return sorted(found.items())


def before(when, minutes):
    return when - datetime.timedelta(minutes=minutes)
