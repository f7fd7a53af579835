import { Buffer } from "node:buffer";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { handler, MAX_CONNECTIONS } from "../../echo_server.ts";
import { assertSameBytes } from "../bytes.ts";
import { connect, type Message, serveHere } from "../in_process.ts";
import { startEchoServer } from "../processes.ts";
import {
  BINARY,
  CLOSE,
  encodeFrame,
  RawPeer,
  resetHandshake,
  TEXT,
} from "../raw.ts";
import { permitted } from "../permitted.ts";
import { MiB } from "../../server/units.ts";
import { batchOf, memoryOf, writeAsLongAsRead } from "./memory.ts";

const WINDOWS = permitted({ ignore: Deno.build.os === "windows" });

Deno.test(
  "handler() echoes a message of just under 64 MiB",
  permitted(),
  async () => {
    await using server = serveHere(handler);
    await using client = await connect(server.url);
    const message = Buffer.alloc(64 * MiB - 1, "sixty-four");
    for (let i = 0; i < 3; i++) {
      const echo = await client.echo(message.buffer) as ArrayBuffer;
      assertSameBytes(echo, message.buffer);
    }
    const text = "é".repeat(30 * MiB);
    assert(await client.echo(text) === text);
  },
);

Deno.test(
  "handler() does not cut off a peer that reads, however small the messages",
  permitted(),
  async () => {
    await using server = serveHere(handler);
    for (const [message, count] of [["", 80_000], ["x", 300_000]] as const) {
      await using client = await connect(server.url);
      for (let sent = 0; sent < count; sent += 10_000) {
        for (let i = 0; i < 10_000; i++) client.socket.send(message);
        for (let i = 0; i < 10_000; i++) {
          assert(await client.next() === message);
        }
      }
    }
  },
);

Deno.test(
  "handler() does not cut off a peer that has 40,000 messages in flight",
  permitted(),
  async () => {
    await using server = serveHere(handler);
    for (const message of ["a".repeat(900), "\u20ac".repeat(300)]) {
      await using client = await connect(server.url);
      for (let i = 0; i < 40_000; i++) client.socket.send(message);
      for (let i = 0; i < 40_000; i++) assert(await client.next() === message);
    }
  },
);

Deno.test(
  "echo_server.ts loses nothing that 1,000 clients send",
  permitted(),
  async () => {
    await using server = await startEchoServer();
    const clients = await Promise.all(
      Array.from({ length: 1000 }, () => connect(server.url)),
    );
    await Promise.all(clients.map(async (client, i) => {
      const messages = Array.from(
        { length: 100 },
        (_, j): Message =>
          (i + j) % 2
            ? `${i} ${j} ${"€".repeat(j)}`
            : new Uint8Array(i + j).fill(j).buffer,
      );
      for (const message of messages) client.socket.send(message);
      for (const message of messages) {
        assertEquals(await client.next(), message);
      }
      await client[Symbol.asyncDispose]();
    }));
  },
);

for (
  const [count, size, opcode] of [
    [1024, MiB, BINARY],
    [1024, MiB, TEXT],
    [16384, MiB / 16, BINARY],
    [300_000, 1000, BINARY],
    [1_000_000, 20, TEXT],
    [1_500_000, 0, BINARY],
  ] as const
) {
  const kind = opcode === TEXT ? "text" : "bytes";
  Deno.test(
    `echo_server.ts bounds the memory for ${count} messages of ${size} B of ${kind} that are not read`,
    WINDOWS,
    async () => {
      await using server = await startEchoServer();
      await using bystander = await connect(server.url);
      await bystander.echo("Hello!");
      const idle = await memoryOf(server.pid);
      using peer = await RawPeer.open(server.port);
      const frame = { opcode, payload: new Uint8Array(size) };
      const batch = batchOf(frame);
      const batches = count * encodeFrame(frame).length / batch.length;
      let most = 0;
      for (let sent = 0; sent < batches; sent += 16) {
        if (await writeAsLongAsRead(peer, batch, 16) < 16) break;
        assertEquals(await bystander.echo(`${sent}`), `${sent}`);
        most = Math.max(most, await memoryOf(server.pid));
      }
      assertEquals(await bystander.echo("Still there?"), "Still there?");
      most = Math.max(most, await memoryOf(server.pid));
      const more = Math.round((most - idle) / MiB);
      assert(more < 200, `It took ${more} MiB`);
    },
  );
}

Deno.test(
  "echo_server.ts echoes 1 GiB to a peer that keeps 32 MiB in flight",
  permitted(),
  async () => {
    await using server = await startEchoServer();
    await using client = await connect(server.url);
    const message = new Uint8Array(64 * 1024).buffer;
    const total = 1024 * MiB / message.byteLength;
    const window = 32 * MiB / message.byteLength;
    for (let sent = 0, received = 0; received < total; received++) {
      for (; sent < total && sent - received < window; sent++) {
        client.socket.send(message);
      }
      assertEquals((await client.next() as ArrayBuffer)?.byteLength, 65536);
    }
  },
);

Deno.test(
  "echo_server.ts has room for 10,000 connections, however others ended",
  permitted(),
  async () => {
    await using server = await startEchoServer();
    const frame = encodeFrame({
      opcode: BINARY,
      payload: new Uint8Array(70_000),
    });
    for (let i = 0; i < 600; i++) {
      if (i % 6 === 0) {
        await resetHandshake(server.port);
        continue;
      }
      using peer = await RawPeer.request(server.port);
      await peer.readHead();
      if (i % 6 === 1) continue; // without a close frame
      if (i % 6 === 2) await peer.write(frame); // with a reset
      if (i % 6 === 3) await peer.write(frame.subarray(0, 9)); // within a frame
      if (i % 6 === 4) await peer.send({ opcode: 3, payload: frame }); // by error
      if (i % 6 === 5) {
        await peer.send({ opcode: CLOSE, payload: new Uint8Array() });
      }
      if (i % 6 > 3) await peer.drain();
    }

    const peers: RawPeer[] = [];
    /** Opens connections until one is refused, and returns the refusal. */
    async function fill(): Promise<string> {
      for (;;) {
        const peer = await RawPeer.request(server.port);
        const head = await peer.readHead();
        if (head.startsWith("HTTP/1.1 101 ")) {
          peers.push(peer);
          continue;
        }
        peer[Symbol.dispose]();
        return head;
      }
    }
    const refusal = await fill();
    assertMatch(refusal, /^HTTP\/1.1 503 /);
    assertMatch(refusal, /^retry-after: \d+\r$/im);
    assertEquals(peers.length, MAX_CONNECTIONS);

    // One that ends makes room for another.
    const peer = peers[0]!;
    await peer.send({ opcode: CLOSE, payload: new Uint8Array() });
    await peer.drain();
    while (peers.length === MAX_CONNECTIONS) await fill();
    await fill();
    assertEquals(peers.length, MAX_CONNECTIONS + 1);
    for (const peer of peers) peer[Symbol.dispose]();
  },
);
