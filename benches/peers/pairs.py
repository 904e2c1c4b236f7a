"""Runs commands in turns and prints the middle and the spread of what they measure, in microseconds.

`python3 pairs.py ROUNDS COMMAND COMMAND ...`: each command prints a line of JSON per measurement, as python.py does and the
`cpu` bench with `--json`. A machine's speed changes from minute to minute: commands in turns meet the same changes.
"""

import json
import statistics
import subprocess
import sys


def measure(command):
    output = subprocess.run(command, shell=True, check=True, capture_output=True, text=True).stdout
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


def cell(times):
    return f"{statistics.median(times):.0f} ({min(times):.0f} to {max(times):.0f})"


def main():
    rounds, commands = int(sys.argv[1]), sys.argv[2:]
    times = {}
    for _ in range(rounds):
        for command in commands:
            for figure in measure(command):
                times.setdefault(figure["name"], {}).setdefault(figure["library"], []).append(figure["us"])
    libraries = list(dict.fromkeys(library for row in times.values() for library in row))
    first = libraries[0]
    print("| µs | " + " | ".join(libraries) + " |")
    print("|---" * (len(libraries) + 1) + "|")
    for name, row in times.items():
        if len(row) < 2:
            continue
        cells = []
        for library in libraries:
            ratio = ""
            if library != first and library in row and first in row:
                ratio = f", {statistics.median(row[library]) / statistics.median(row[first]):.2f}x"
            cells.append(cell(row[library]) + ratio if library in row else "")
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
