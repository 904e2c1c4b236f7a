"""One Markdown table of what the peers and wgrad take for the same work, in microseconds and as a share of wgrad's.

`python3 compare.py wgrad.json peers.jsonl ...`: the report's `--json` and the lines of the peers.
"""

import json
import re
import sys


def ours(figures):
    """The report's figures as microseconds, by the peers' names."""
    times = {}
    for name, figure in figures.items():
        value = figure["value"] if isinstance(figure, dict) else None
        if product := re.fullmatch(r"matmul\.nn (\d+)", name):
            side = int(product[1])
            times[f"matmul {side}"] = 2 * side**3 / value / 1e3
        elif name == "activation.gelu":
            times["gelu 4 M"] = 8 * (4 << 20) / value / 1e3
        elif adam := re.fullmatch(r"adam 1 M parameters in (\d+) tensors", name):
            times[f"adam 1 M in {adam[1]}"] = 28 * 1e6 / value / 1e3
        elif name == "cross_entropy 4096 x 1000":
            times[name] = 8 * 4096 * 1000 / value / 1e3
        elif step := re.fullmatch(r"(sine|digits) step, fusion Auto", name):
            times[f"{step[1]} step"] = value
        elif step := re.fullmatch(r"(sine|digits) step, cpu", name):
            times[f"{step[1]} step, CPU reference"] = value
    return times


def main():
    with open(sys.argv[1]) as file:
        text = file.read()
    figures = json.loads(text[text.index("{") :])
    own = ours(figures)
    peers = {}
    for path in sys.argv[2:]:
        with open(path) as file:
            for line in file:
                if line.startswith("{"):
                    figure = json.loads(line)
                    peers.setdefault(figure["library"], {})[figure["name"]] = figure["us"]
    print(f"wgrad on {figures['adapter']}\n")
    print("| µs | wgrad | " + " | ".join(peers) + " |")
    print("|---" * (len(peers) + 2) + "|")
    for name, time in own.items():
        cells = []
        for library in peers.values():
            other = library.get(name.removesuffix(", CPU reference"))
            cells.append(f"{other:.0f} ({other / time:.2f}x)" if other else "")
        if any(cells):
            print(f"| {name} | {time:.0f} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
