import { assert, assertEquals } from "@std/assert";
import { FakeSocket } from "../testing/fake_socket.ts";
import { SendQueue, SharedMemory } from "./send_queue.ts";
import { KiB, MiB } from "./units.ts";

/** What each peer has for itself. */
const OWN = 8 * KiB;

/** Memory to share, beside what one peer has for itself. */
const makeMemory = (bytes: number) => new SharedMemory(bytes + OWN, 1);

/** A peer that reads when it is told to. */
class Peer extends FakeSocket {
  readonly #queue: SendQueue;
  readonly #memory: SharedMemory;

  constructor(memory: SharedMemory) {
    super();
    this.#memory = memory;
    this.#queue = new SendQueue(this as unknown as WebSocket, memory);
  }

  /** Is sent messages of these sizes, and says whether all had room. */
  get(...sizes: number[]): boolean {
    return sizes.every((size) => this.#queue.send(new ArrayBuffer(size)));
  }

  /** The same for a text. */
  getText(text: string): boolean {
    return this.#queue.send(text);
  }

  /** Reads so many bytes, or all. */
  read(bytes: number = this.bufferedAmount): void {
    this.bufferedAmount -= bytes;
  }

  /** What it takes of the shared memory, if it is asked now. */
  get used(): number {
    this.#queue.update();
    return this.#memory.used;
  }

  release(): void {
    this.#queue.release();
  }
}

Deno.test("SendQueue counts 1 KiB and its bytes for every message that waits", () => {
  const peer = new Peer(makeMemory(MiB));
  assertEquals(peer.used, 0);
  peer.get(OWN, 200, 300); // the first takes what the peer has for itself
  assertEquals(peer.used, 3 * KiB + 500);
  peer.read(OWN - 1);
  assertEquals(peer.used, 0);
  peer.get(10 * KiB);
  assertEquals(peer.used, 4 * KiB + 10 * KiB + 501 - OWN);
  peer.read(1);
  assertEquals(peer.used, 3 * KiB + 10 * KiB + 500 - OWN);
  peer.read(500);
  assertEquals(peer.used, 1 * KiB + 10 * KiB - OWN);
  peer.read();
  assertEquals(peer.used, 0);
});

Deno.test("SendQueue counts an empty message until a byte after it has left", () => {
  const peer = new Peer(makeMemory(MiB));
  peer.get(...Array(20).fill(0));
  assertEquals(peer.used, 20 * KiB - OWN);
  peer.get(10);
  assertEquals(peer.used, 21 * KiB + 10 - OWN);
  peer.read(1);
  assertEquals(peer.used, 0);
  peer.read();
  peer.get(10, ...Array(20).fill(0), 10);
  peer.read(10);
  assertEquals(peer.used, 21 * KiB + 10 - OWN);
  peer.read();
  peer.get(...Array(9).fill(0));
  assertEquals(peer.used, 9 * KiB - OWN);
});

Deno.test("SendQueue is exact for very many messages, read little by little", () => {
  const peer = new Peer(makeMemory(16 * MiB));
  const waiting: number[] = [];
  for (let i = 0; i < 1000; i++) {
    const sizes = Array.from({ length: i % 7 }, (_, j) => 1 + (i * j) % 50);
    peer.get(...sizes);
    waiting.push(...sizes);
    const read = waiting.splice(0, i % 5);
    peer.read(read.reduce((sum, size) => sum + size, 0));
    const all = peer.bufferedAmount + waiting.length * KiB;
    assertEquals(peer.used, Math.max(0, all - OWN), `round ${i}`);
  }
});

Deno.test("SendQueue takes too many texts as waiting rather than too few", () => {
  const peer = new Peer(makeMemory(MiB));
  const text = "\u20ac".repeat(1000); // 3,000 bytes
  for (let i = 0; i < 10; i++) peer.getText(text);
  assertEquals(peer.used, 10 * (KiB + 3000) - OWN);
  peer.read(5 * 3000);
  // As far as it knows, they have 1,000 bytes at least.
  assertEquals(peer.used, 5 * 3000 + 10 * KiB - OWN);
  peer.read();
  assertEquals(peer.used, 0);
});

Deno.test("SendQueue asks the socket only if a peer may have more than 8 KiB", () => {
  const peer = new Peer(makeMemory(MiB));
  for (let sent = 0; sent < 100; sent++) {
    peer.getText("20 bytes of any text");
    peer.bufferedAmount = 0;
  }
  // A text of 20 characters counts 1,084 bytes, and seven fit into 8 KiB.
  assertEquals(peer.asked, 14);
});

Deno.test("SendQueue keeps its size while the connection closes, until it is released", () => {
  const memory = makeMemory(MiB);
  const peer = new Peer(memory);
  peer.get(20 * KiB);
  const { used } = peer;
  assertEquals(used, 21 * KiB - OWN);
  peer.close();
  assertEquals(peer.used, used);
  peer.release();
  assertEquals([memory.used, memory.queues.size], [0, 0]);
  peer.release();
  assertEquals([memory.used, memory.queues.size], [0, 0]);
});

Deno.test("SendQueue has no room when a peer takes more than a quarter of what is free", () => {
  const memory = makeMemory(5 * MiB);
  const peer = new Peer(memory);
  const size = 64 * KiB - KiB;
  while (peer.get(size));
  // One MiB is a quarter of the other four.
  assertEquals(memory.used, MiB + 64 * KiB - OWN);
  peer.read(size);
  assert(peer.get(size), "no room after it has read");
});

Deno.test("SendQueue shares the memory among peers, and leaves some for the next", () => {
  const memory = makeMemory(512 * MiB);
  const first = new Peer(memory);
  while (first.get(MiB - KiB));
  // A fifth of all is a quarter of the rest.
  assertEquals(memory.used, 103 * MiB - OWN);
  first.read();

  const peers = Array.from({ length: 40 }, () => new Peer(memory));
  let sending = peers;
  while (sending.length > 0) {
    sending = sending.filter((peer) => peer.get(64 * KiB - KiB));
  }
  for (const [i, { bufferedAmount }] of peers.entries()) {
    const share = bufferedAmount / MiB;
    assert(share > 11 && share < 12, `peer ${i} has ${share} MiB`);
  }
  assert(new Peer(memory).get(8 * MiB, MiB), "no room for the next");
});

Deno.test("SendQueue has room when the others have read meanwhile", () => {
  const memory = makeMemory(MiB);
  const other = new Peer(memory);
  other.get(MiB - 100 * KiB);
  const peer = new Peer(memory);
  assertEquals(peer.get(128 * KiB), false);
  other.read();
  assertEquals(peer.get(128 * KiB), true);
  assertEquals(memory.used, 129 * KiB - OWN);
  assertEquals(memory.queues.size, 1);
});

Deno.test("SendQueue has no room for a message of more than what is free", () => {
  const memory = makeMemory(MiB);
  const other = new Peer(memory);
  other.get(MiB - 200 * KiB); // it counts at once
  assertEquals(memory.used, MiB - 199 * KiB - OWN);
  const free = 199 * KiB + OWN - KiB;
  assertEquals(new Peer(memory).get(free + 1), false);
  assertEquals(new Peer(memory).get(free), true);
});

Deno.test("SendQueue always has room for 8 KiB", () => {
  const memory = makeMemory(MiB);
  const other = new Peer(memory);
  other.get(MiB - KiB + OWN - 20 * KiB, 3 * KiB);
  const peer = new Peer(memory);
  while (other.get(3 * KiB));
  assertEquals(peer.get(7 * KiB + 1 + 30 * KiB), false);
  assertEquals(peer.get(3 * KiB, 3 * KiB), true);
  peer.read();
  assertEquals(peer.get(7 * KiB), true);
});

Deno.test("SendQueues of 10,000 peers fit into 512 MiB, however little each sends", () => {
  for (const size of [0, 20, 3 * KiB, 60_000, MiB]) {
    const memory = new SharedMemory(512 * MiB, 10_000);
    let most = 0;
    for (let i = 0; i < 10_000; i++) {
      const peer = new Peer(memory);
      for (let j = 0; j < 9 && peer.get(size); j++);
      most = Math.max(most, memory.used);
    }
    const all = (most + 10_000 * OWN) / MiB;
    assert(all <= 512, `${all} MiB of messages of ${size} B`);
  }
});
