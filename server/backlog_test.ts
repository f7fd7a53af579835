import { assert, assertEquals } from "@std/assert";
import { KiB, MiB } from "../shared/units.ts";
import { Backlog, SharedMemory } from "./backlog.ts";

/** Memory for one peer, so that 8 KiB are kept for it. */
const makeMemory = (bytes: number) => new SharedMemory(bytes + 8 * KiB, 1);

/** A peer that reads when it is told to. */
class Peer {
  readyState: WebSocket["readyState"] = WebSocket.OPEN;
  bufferedAmount = 0;
  readonly backlog: Backlog;

  constructor(memory: SharedMemory) {
    this.backlog = new Backlog(this, memory);
  }

  /** Is sent messages of these sizes. */
  send(...sizes: number[]): void {
    for (const size of sizes) {
      this.bufferedAmount += size;
      this.backlog.add(size);
    }
  }

  /** Checks whether there is no room for a message of this size. */
  isFull(size = 1): boolean {
    return this.backlog.isFull(this.bufferedAmount, size);
  }

  /** Reads so many bytes, or all. */
  read(bytes: number = this.bufferedAmount): void {
    this.bufferedAmount -= bytes;
  }
}

Deno.test("Backlog counts 1 KiB and its bytes for every message that waits", () => {
  const peer = new Peer(makeMemory(MiB));
  assertEquals(peer.backlog.update(), 0);
  peer.send(100, 200, 300);
  assertEquals(peer.backlog.update(), 3 * KiB + 600);
  peer.read(99);
  assertEquals(peer.backlog.update(), 3 * KiB + 501);
  peer.read(1);
  assertEquals(peer.backlog.update(), 2 * KiB + 500);
  peer.send(400);
  peer.read(500);
  assertEquals(peer.backlog.update(), 1 * KiB + 400);
  peer.read();
  assertEquals(peer.backlog.update(), 0);
});

Deno.test("Backlog counts an empty message until a byte after it has left", () => {
  const peer = new Peer(makeMemory(MiB));
  peer.send(0, 0);
  assertEquals(peer.backlog.update(), 2 * KiB);
  peer.send(10);
  assertEquals(peer.backlog.update(), 3 * KiB + 10);
  peer.read();
  assertEquals(peer.backlog.update(), 0);
  peer.send(10, 0, 0, 10);
  peer.read(10);
  assertEquals(peer.backlog.update(), 3 * KiB + 10);
  peer.read(1);
  assertEquals(peer.backlog.update(), 1 * KiB + 9);
  peer.read();
  peer.send(0);
  assertEquals(peer.backlog.update(), 1 * KiB);
});

Deno.test("Backlog is exact for very many messages, read little by little", () => {
  const peer = new Peer(makeMemory(MiB));
  let waiting: number[] = [];
  for (let i = 0; i < 1000; i++) {
    const sizes = Array.from({ length: i % 7 }, (_, j) => 1 + (i * j) % 50);
    peer.send(...sizes);
    waiting.push(...sizes);
    const read = waiting.splice(0, i % 5);
    peer.read(read.reduce((sum, size) => sum + size, 0));
    assertEquals(
      peer.backlog.update(),
      peer.bufferedAmount + waiting.length * KiB,
    );
  }
  waiting = [];
  peer.read();
  assertEquals(peer.backlog.update(), 0);
});

Deno.test("Backlog keeps its size while the connection closes, until it is released", () => {
  const memory = makeMemory(MiB);
  const peer = new Peer(memory);
  peer.send(100);
  peer.backlog.update();
  peer.readyState = WebSocket.CLOSING;
  peer.bufferedAmount = 0;
  assertEquals(peer.backlog.update(), KiB + 100);
  assertEquals(memory.used, KiB + 100);
  peer.backlog.release();
  assertEquals(memory.used, 0);
  peer.backlog.release();
  assertEquals(memory.used, 0);
  assertEquals(memory.backlogs.size, 0);
});

Deno.test("Backlog is full when it takes more than a quarter of what is free", () => {
  const memory = makeMemory(5 * MiB);
  const peer = new Peer(memory);
  const size = 64 * KiB - KiB;
  while (!peer.isFull()) peer.send(size);
  // One MiB is a quarter of the other four.
  assertEquals(memory.used, MiB + 64 * KiB);
  peer.read(size);
  assertEquals(peer.isFull(), false);
});

Deno.test("Backlog shares the memory among peers, and leaves some for the next", () => {
  const memory = makeMemory(512 * MiB);
  const first = new Peer(memory);
  while (!first.isFull()) first.send(MiB - KiB);
  // A fifth of all is a quarter of the rest.
  assertEquals(first.backlog.update(), 103 * MiB);
  first.read();

  const peers = Array.from({ length: 40 }, () => new Peer(memory));
  let sending = peers;
  while (sending.length > 0) {
    for (const peer of sending) peer.send(64 * KiB - KiB);
    sending = sending.filter((peer) => !peer.isFull());
  }
  for (const { backlog } of peers) {
    assertEquals(Math.round(backlog.update() / MiB), 12);
  }
  const next = new Peer(memory);
  next.send(8 * MiB);
  assertEquals(next.isFull(), false);
});

Deno.test("Backlog is not full when the others have read meanwhile", () => {
  const memory = makeMemory(MiB);
  const other = new Peer(memory);
  other.send(MiB);
  other.backlog.update();
  const peer = new Peer(memory);
  peer.send(128 * KiB);
  assertEquals(peer.isFull(), true);
  other.read();
  assertEquals(peer.isFull(), false);
  assertEquals(memory.used, 129 * KiB);
});

Deno.test("Backlog has no room for a message of more than what is free", () => {
  const memory = makeMemory(MiB);
  const other = new Peer(memory);
  // It counts at once.
  other.send(MiB - 200 * KiB);
  assertEquals(memory.used, MiB - 199 * KiB);
  const peer = new Peer(memory);
  assertEquals(peer.isFull(198 * KiB), false);
  assertEquals(peer.isFull(198 * KiB + 1), true);
  other.read();
  assertEquals(peer.isFull(MiB - KiB), false);
  assertEquals(peer.isFull(MiB - KiB + 1), true);
  assertEquals(memory.used, 0);
});

Deno.test("Backlog always has room for 8 KiB", () => {
  const memory = makeMemory(MiB);
  const other = new Peer(memory);
  other.send(2 * MiB);
  const peer = new Peer(memory);
  assertEquals(peer.isFull(7 * KiB), false);
  assertEquals(peer.isFull(7 * KiB + 1), true);
  peer.send(3 * KiB);
  assertEquals(peer.isFull(3 * KiB), false);
  assertEquals(peer.isFull(3 * KiB + 1), true);
});

Deno.test("Backlogs of 10,000 peers fit into 512 MiB, however little each sends", () => {
  for (const size of [0, 20, 3 * KiB, 60_000, MiB]) {
    const memory = new SharedMemory(512 * MiB, 10_000);
    let most = 0;
    for (let i = 0; i < 10_000; i++) {
      const peer = new Peer(memory);
      for (let j = 0; j < 9 && !peer.isFull(size); j++) peer.send(size);
      most = Math.max(most, memory.used);
    }
    assert(most <= 512 * MiB, `${most / MiB} MiB of messages of ${size} B`);
  }
});

Deno.test("Backlog that is lost takes memory from all, unless it is small", () => {
  const memory = makeMemory(5 * MiB);
  const small = new Peer(memory);
  small.send(8 * KiB);
  small.backlog.lose();
  assertEquals([memory.used, memory.lost], [0, 0]);
  const empty = new Peer(memory);
  empty.send(...Array(500).fill(0));
  empty.backlog.lose();
  assertEquals([memory.used, memory.lost], [0, 0]);
  const half = new Peer(memory);
  half.send(MiB);
  half.read(MiB - 8 * KiB - 1);
  half.backlog.update();
  half.backlog.lose();
  assertEquals([memory.used, memory.lost], [0, 8 * KiB + 1]);
  memory.lost = 0;

  const first = new Peer(memory);
  first.send(4 * MiB);
  first.backlog.lose();
  first.backlog.lose();
  assertEquals([memory.used, memory.lost], [0, 4 * MiB]);
  const next = new Peer(memory);
  assertEquals(next.isFull(MiB - KiB), false);
  assertEquals(next.isFull(MiB), true);
});
