"""A slow and lossy link, for kernels without netem.

    lossy-link.py DELAY_MS LOSS_PERCENT

A TUN device with the address 10.9.0.1 that hands every packet back after the delay, with source and destination
swapped: what is sent to 10.9.0.2 arrives at 10.9.0.1 as if 10.9.0.2 had sent it, TCP retransmissions and all.
(Swapping leaves the checksums right.) Says `ready`; ends with its standard input and then prints what it did.
"""

import fcntl
import heapq
import json
import os
import random
import select
import struct
import subprocess
import sys
import time

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000


def main(delay: float, loss: float) -> None:
    tun = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", b"slow0", IFF_TUN | IFF_NO_PI))
    subprocess.run(["ip", "address", "add", "10.9.0.1/24", "dev", "slow0"], check=True)
    subprocess.run(["ip", "link", "set", "slow0", "up"], check=True)
    print("ready", flush=True)
    under_way, packets, dropped = [], 0, 0
    while True:
        wait = max(0, under_way[0][0] - time.monotonic()) if under_way else None
        readable, _, _ = select.select([tun, 0], [], [], wait)
        if 0 in readable and not os.read(0, 1024):
            break
        if tun in readable:
            packet = os.read(tun, 65535)
            if packet[0] >> 4 == 4:
                packets += 1
                if random.random() < loss:
                    dropped += 1
                else:
                    heapq.heappush(under_way, (time.monotonic() + delay, packets, packet))
        while under_way and under_way[0][0] <= time.monotonic():
            packet = heapq.heappop(under_way)[2]
            os.write(tun, packet[:12] + packet[16:20] + packet[12:16] + packet[20:])
    print(json.dumps({"packets": packets, "dropped": dropped}), flush=True)


main(float(sys.argv[1]) / 1000, float(sys.argv[2]) / 100)
