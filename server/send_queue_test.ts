import { assert, assertEquals } from "@std/assert";
import { FakeSocket } from "../testing/fake_socket.ts";
import { SendQueue, SharedMemory } from "./send_queue.ts";
import { KiB, MiB } from "./units.ts";

/** A peer that reads when it is told to. */
class Peer extends FakeSocket {
  readonly queue: SendQueue;
  readonly #memory: SharedMemory;

  constructor(memory: SharedMemory) {
    super();
    this.#memory = memory;
    this.queue = new SendQueue(this as unknown as WebSocket, memory);
  }

  /** Is sent messages of these sizes, or texts, and says whether all had room. */
  get(...messages: (number | string)[]): boolean {
    return messages.every((message) =>
      this.queue.send(
        typeof message === "string" ? message : new ArrayBuffer(message),
      )
    );
  }

  /** Reads so many bytes, or all. */
  read(bytes = Infinity): void {
    this.bufferedAmount = Math.max(0, this.bufferedAmount - bytes);
  }

  /** What waits for all peers, if it is counted now. */
  get waiting(): number {
    this.#memory.count();
    return this.#memory.waiting;
  }
}

Deno.test("SendQueue counts 1 KiB and its bytes for every message that waits", () => {
  const peer = new Peer(new SharedMemory(MiB));
  assertEquals(peer.waiting, 0);
  peer.get(1000, 200, "\u20ac".repeat(100));
  assertEquals(peer.waiting, 3 * KiB + 1500);
  // What was sent since a count waits until its last byte has left.
  peer.read(1499);
  assertEquals(peer.waiting, 3 * KiB + 1);
  peer.read();
  assertEquals(peer.waiting, 0);
  peer.get(300);
  assertEquals(peer.waiting, KiB + 300);
  peer.get(400, 500);
  assertEquals(peer.waiting, 3 * KiB + 1200);
  peer.read(300);
  assertEquals(peer.waiting, 2 * KiB + 900);
});

Deno.test("SendQueue knows that empty messages were read when nothing waits", () => {
  const peer = new Peer(new SharedMemory(MiB));
  peer.get(...Array(20).fill(0));
  assertEquals(peer.waiting, 0);
  peer.get(10, ...Array(20).fill(0));
  assertEquals(peer.waiting, 21 * KiB + 10);
  peer.read();
  assertEquals(peer.waiting, 0);
});

Deno.test("SendQueue never counts too few messages, and those of two counts at most too many", () => {
  const peer = new Peer(new SharedMemory(64 * MiB));
  const waiting: number[] = [];
  for (let i = 0; i < 1000; i++) {
    const sizes = Array.from({ length: i % 7 }, (_, j) => 1 + (i * j) % 50);
    peer.get(...sizes);
    waiting.push(...sizes);
    const read = waiting.splice(0, i % 5);
    peer.read(read.reduce((sum, size) => sum + size, 0));
    const bytes = peer.bufferedAmount;
    const least = bytes === 0 ? 0 : bytes + waiting.length * KiB;
    const counted = peer.waiting;
    assert(
      counted >= least && counted <= least + 14 * KiB,
      `round ${i}: ${counted} instead of ${least}`,
    );
  }
});

Deno.test("SendQueue asks the sockets once in 4 MiB, and only those that may have something", () => {
  const memory = new SharedMemory(512 * MiB);
  const idle = new Peer(memory);
  const [busy, slow] = [new Peer(memory), new Peer(memory)];
  idle.get("Hello!");
  idle.read();
  slow.get("Hello!");
  for (let i = 0; i < 64; i++) {
    busy.get(MiB - KiB);
    busy.read();
  }
  // What read() asks is not the queue's.
  assertEquals([idle.asked - 1, slow.asked, busy.asked - 64], [1, 13, 13]);
});

Deno.test("SendQueue keeps its size while the connection closes, until it is released", () => {
  const peer = new Peer(new SharedMemory(MiB));
  peer.get(20 * KiB);
  assertEquals(peer.waiting, 21 * KiB);
  peer.close();
  assertEquals(peer.waiting, 21 * KiB);
  peer.queue.release();
  assertEquals(peer.waiting, 0);
});

Deno.test("SendQueue has no room when more than a quarter of what is free waits for a peer", () => {
  const peer = new Peer(new SharedMemory(500 * MiB));
  const size = MiB - KiB;
  while (peer.get(size));
  // 100 MiB are a quarter of the other 400, and up to 4 MiB are not counted yet.
  const waiting = peer.waiting / MiB;
  assert(waiting > 100 && waiting <= 104, `${waiting} MiB`);
  peer.read(5 * MiB);
  assert(peer.get(size), "no room after it has read");
});

Deno.test("SendQueue shares the memory among peers, and leaves some for the next", () => {
  const memory = new SharedMemory(512 * MiB);
  const peers = Array.from({ length: 40 }, () => new Peer(memory));
  let sending = peers;
  while (sending.length > 0) {
    sending = sending.filter((peer) => peer.get(64 * KiB - KiB));
  }
  for (const [i, { queue }] of peers.entries()) {
    const share = queue.size / MiB;
    assert(share > 11 && share < 12, `peer ${i} has ${share} MiB`);
  }
  assert(new Peer(memory).get(8 * MiB, MiB), "no room for the next");
});

Deno.test("SendQueue judges a peer by what waits, whoever sends when it is counted", () => {
  const memory = new SharedMemory(100 * MiB);
  const [reader, other] = [new Peer(memory), new Peer(memory)];
  let sent = 0;
  // Only the reader's messages reach the 4 MiB.
  for (; sent < 100 && other.get(MiB); sent++) {
    reader.get(3 * MiB);
    reader.read();
  }
  assert(sent >= 20 && sent <= 24, `${sent} MiB`);
});

Deno.test("SendQueue has room when the others have read meanwhile", () => {
  const memory = new SharedMemory(MiB);
  const [other, peer] = [new Peer(memory), new Peer(memory)];
  other.get(MiB - 100 * KiB);
  assertEquals(other.waiting, MiB - 99 * KiB);
  assertEquals(peer.get(128 * KiB), false);
  other.read();
  assertEquals(peer.get(128 * KiB), true);
});

Deno.test("SendQueue has no room for a message of more than what is free", () => {
  const memory = new SharedMemory(128 * MiB);
  const [other, peer] = [new Peer(memory), new Peer(memory)];
  assertEquals(other.get(100 * MiB - KiB), true);
  assertEquals(other.waiting, 100 * MiB);
  assertEquals(peer.get(28 * MiB), false);
  assertEquals(peer.get(28 * MiB - KiB), true);
});

Deno.test("SendQueue always has room for 8 KiB of a peer that reads", () => {
  const memory = new SharedMemory(MiB);
  const [other, peer] = [new Peer(memory), new Peer(memory)];
  other.get(MiB - KiB);
  assertEquals(other.waiting, MiB);
  assertEquals(peer.get(7 * KiB + 1), false);
  for (let i = 0; i < 10_000; i++) {
    assertEquals(peer.get(7 * KiB), true, `message ${i}`);
    peer.read();
  }
});

Deno.test("SendQueue is not starved by others that read empty messages", () => {
  const memory = new SharedMemory(512 * MiB);
  const others = Array.from({ length: 65 }, () => new Peer(memory));
  for (const other of others) {
    for (let i = 0; i < 6700; i++) assert(other.get(0), `message ${i}`);
  }
  assert(new Peer(memory).get(100 * MiB), "no room for 100 MiB");
});

Deno.test("SendQueues of 10,000 peers fit into 512 MiB and 8 KiB each, however little each sends", () => {
  for (const size of [20, 3 * KiB, 60_000, MiB]) {
    const memory = new SharedMemory(512 * MiB);
    for (let i = 0; i < 10_000; i++) {
      const peer = new Peer(memory);
      for (let j = 0; j < 9 && peer.get(size); j++);
    }
    memory.count();
    const all = memory.waiting / MiB;
    assert(all < 512 + 10_000 / 128 + 4, `${all} MiB of messages of ${size} B`);
  }
});

Deno.test("SendQueue counts the bytes of a text, not its characters", () => {
  const peer = new Peer(new SharedMemory(512 * MiB));
  const text = "\u20ac".repeat(300);
  for (let sent = 0; sent < 200_000; sent++) {
    assert(peer.get(text), `no room for message ${sent}`);
    // 40,000 are in flight.
    if (sent >= 40_000) peer.read(900);
  }
});
