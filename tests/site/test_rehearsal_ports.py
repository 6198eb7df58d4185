"""Ports of programs that are started side by side by several processes."""

import subprocess
import sys

ASKS = """
from safelight.site.rehearsal.ports import free_port
print(*(free_port() for _ in range(300)), flush=True)
input()
"""
GIVEN_TO_WHO_CONNECTS = 32_768


def test_two_processes_are_given_no_port_twice_and_none_that_a_connection_may_take() -> None:
    asking = [
        subprocess.Popen([sys.executable, "-c", ASKS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    try:
        ports = [int(port) for one in asking if one.stdout for port in one.stdout.readline().split()]
    finally:
        for one in asking:
            one.communicate("\n")
    assert len(ports) == len(set(ports)) == 600
    assert max(ports) < GIVEN_TO_WHO_CONNECTS
