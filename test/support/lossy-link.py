"""A slow and lossy link, for kernels without netem.

    lossy-link.py DELAY_MS LOSS_PERCENT SEED

A TUN device with the address 10.9.0.1 that hands every packet back after the delay, with source and destination
swapped: what is sent to 10.9.0.2 arrives at 10.9.0.1 as if 10.9.0.2 had sent it, TCP retransmissions and all.
(Swapping leaves the checksums right.) Which packets are lost follows from the seed: the nth packet of the mth connection
to a server, in each direction, has the same fate in every run. Says `ready`; ends with its standard input and then prints
what it did.
"""

import collections
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


class Fates:
    """Tells of every packet whether it is lost."""

    def __init__(self, loss: float, seed: str) -> None:
        self.loss, self.seed = loss, seed
        self.number_of, self.connections_to, self.packets_of = {}, collections.Counter(), collections.Counter()

    def is_lost(self, packet: bytes) -> bool:
        header_length = (packet[0] & 0x0F) * 4
        ports = struct.unpack_from("!HH", packet, header_length)
        from_server = ports[::-1] in self.number_of
        connection = ports[::-1] if from_server else ports
        if connection not in self.number_of:
            _, server = connection
            self.connections_to[server] += 1
            self.number_of[connection] = self.connections_to[server]
        self.packets_of[ports] += 1
        packet_is = f"{self.seed} {self.number_of[connection]} {from_server} {self.packets_of[ports]}"
        return random.Random(packet_is).random() < self.loss


def main(delay: float, loss: float, seed: str) -> None:
    fates = Fates(loss, seed)
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
                if fates.is_lost(packet):
                    dropped += 1
                else:
                    heapq.heappush(under_way, (time.monotonic() + delay, packets, packet))
        while under_way and under_way[0][0] <= time.monotonic():
            packet = heapq.heappop(under_way)[2]
            os.write(tun, packet[:12] + packet[16:20] + packet[12:16] + packet[20:])
    print(json.dumps({"packets": packets, "dropped": dropped}), flush=True)


main(float(sys.argv[1]) / 1000, float(sys.argv[2]) / 100, sys.argv[3])
