#!/usr/bin/env python3
# measure.py - runs a command, its standard output in a file, and says how long it took, what it computed and the most memory it held.
# SPDX-License-Identifier: Apache-2.0
#
#   scripts/golden/measure.py OUT COMMAND...
import resource
import subprocess
import sys
import time

start = time.perf_counter()
with open(sys.argv[1], "w") as out:
    status = subprocess.run(sys.argv[2:], stdout=out).returncode
clock = time.perf_counter() - start
u = resource.getrusage(resource.RUSAGE_CHILDREN)
print(f"{clock:.2f} s ({u.ru_utime + u.ru_stime:.2f} s computing), {u.ru_maxrss / 1024:.0f} MiB")
sys.exit(status if status >= 0 else 128 - status)
