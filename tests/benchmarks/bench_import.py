"""`import skrep` beside `import sklearn`, each in a fresh process."""

import subprocess
import sys

from _interleave import Comparison, Turn, print_machine, print_ratios, print_variants, read_options

HEAVY = ("torch", "skorch", "matplotlib")
CODE = """
import sys, time
wall, cpu = time.perf_counter(), time.process_time()
import {name}
cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
print(cpu, wall, *[m for m in {heavy!r} if m in sys.modules])
"""


def import_once(name: str) -> tuple[Turn, list[str]]:
    """Return what the import took in a process of its own, and which heavy modules it loaded."""
    code = CODE.format(name=name, heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    cpu, wall, *loaded = done.stdout.split()
    return Turn(float(cpu), float(wall), None), loaded


def main():
    options = read_options(__doc__, rounds=9)
    print_machine("import", options)
    names = ["sklearn", "skrep"]
    turns: dict[str, list[Turn]] = {f"import {name}": [] for name in names}
    loaded: set[str] = set()
    for i in range(-1, options.rounds):
        for name in names if i % 2 else names[::-1]:
            turn, found = import_once(name)
            loaded |= set(found) if name == "skrep" else set()
            if i >= 0:
                turns[f"import {name}"].append(turn)
    print_variants(turns)
    print_ratios(turns, [Comparison("import skrep", "import sklearn", 1.1)])
    print(f"\nHeavy modules that `import skrep` loads: {', '.join(sorted(loaded)) or 'none'}.")


if __name__ == "__main__":
    main()
