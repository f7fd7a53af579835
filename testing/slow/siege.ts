import { assert, assertEquals } from "@std/assert";
import { connect } from "../connections.ts";
import { type ServerProcess, startEchoServer } from "../processes.ts";
import { BINARY, encodeFrame, RawPeer, TEXT } from "../raw.ts";
import { test } from "../tests.ts";
import { batchOf, memoryOf, writeAsLongAsRead } from "./memory.ts";
import { delay } from "../time.ts";

const MiB = 1024 * 1024;
const LINUX = { ignore: Deno.build.os !== "linux", limit: 300 };

/** Returns how long echoes take, in milliseconds, in ascending order. */
async function timeEchoes(
  { url }: ServerProcess,
  until: Promise<unknown>,
): Promise<number[]> {
  await using client = await connect(url);
  const times: number[] = [];
  let done = false;
  until.finally(() => done = true);
  while (!done) {
    const start = performance.now();
    assertEquals(await client.echo("Still there?"), "Still there?");
    times.push(performance.now() - start);
  }
  return times.sort((a, b) => a - b);
}

test("echo_server.ts outlives a text message that is too long", async () => {
  await using server = await startEchoServer();
  await using bystander = await connect(server.url);
  using peer = await RawPeer.open(server.port);
  const payload = new Uint8Array(32 * 1024 * 1024);
  const [first, middle, last] = [
    encodeFrame({ opcode: 1, payload, fin: false }),
    encodeFrame({ opcode: 0, payload, fin: false }),
    encodeFrame({ opcode: 0, payload }),
  ];
  await peer.write(first!);
  for (let i = 0; i < 15; i++) await peer.write(middle!);
  await peer.write(last!);
  assertEquals(await bystander.echo("Still there?"), "Still there?");
  // The message is complete when the next one would be.
  await using client = await connect(server.url);
  assertEquals(await client.echo("Hello!"), "Hello!");
  server.kill("SIGTERM");
  const { code, stderr } = await server.ended;
  assertEquals(stderr, "A client sent a text message of more than 512 MiB\n");
  assertEquals(code, 0);
}, LINUX);

test(
  "echo_server.ts reads no more of a flood that it does not echo, and serves the others",
  async () => {
    for (const size of [20, 1000]) {
      await using server = await startEchoServer();
      using peer = await RawPeer.open(server.port);
      const payload = new Uint8Array(size);
      const batch = batchOf({ opcode: BINARY, payload });
      const flood = writeAsLongAsRead(peer, batch, 2000);
      const times = await timeEchoes(server, flood);
      assert(await flood < 2000, "The server went on reading");
      const p99 = times[Math.floor(times.length * 0.99)]!;
      assert(p99 < 250, `p99 is ${p99} ms of ${times.length}`);
      const start = performance.now();
      server.kill("SIGTERM");
      assertEquals((await server.ended).code, 0);
      assert(performance.now() - start < 1000);
    }
  },
  LINUX,
);

for (
  const [size, opcode] of [[MiB, BINARY], [500, TEXT], [20, TEXT]] as const
) {
  test(
    `echo_server.ts bounds the memory for 40 peers that do not read messages of ${size} B`,
    async () => {
      await using server = await startEchoServer();
      await using bystander = await connect(server.url);
      await bystander.echo("Hello!");
      const peers = await Promise.all(
        Array.from({ length: 40 }, () => RawPeer.open(server.port)),
      );
      const batch = batchOf({ opcode, payload: new Uint8Array(size) });
      let most = 0;
      // They send more than their share, but not enough to be dropped.
      const rounds = size === MiB ? 40 : size === 500 ? 20 : 3;
      for (let round = 0; round < rounds; round++) {
        await Promise.all(
          peers.map((peer) => writeAsLongAsRead(peer, batch, 1)),
        );
        assertEquals(await bystander.echo(`${round}`), `${round}`);
        most = Math.max(most, await memoryOf(server.pid));
      }
      assert(most < 1.5 * 1024 * MiB, `It took ${Math.round(most / MiB)} MiB`);

      // A reader that comes then has its share.
      await using reader = await connect(server.url);
      const message = new Uint8Array(MiB).buffer;
      for (let i = 0; i < 4; i++) reader.socket.send(message.slice());
      for (let i = 0; i < 4; i++) {
        assertEquals((await reader.next() as ArrayBuffer)?.byteLength, MiB);
      }
      for (const peer of peers) peer[Symbol.dispose]();
    },
    LINUX,
  );
}

test("echo_server.ts is as before after 100,000 connections", async () => {
  await using server = await startEchoServer();
  const descriptors = () =>
    [...Deno.readDirSync(`/proc/${server.pid}/fd`)].length;
  const payload = new Uint8Array(1000);
  const frame = encodeFrame({ opcode: BINARY, payload });
  const use = async (i: number) => {
    using peer = await RawPeer.open(server.port);
    await peer.write(frame);
    await peer.readFrame();
    // A third closes, a third ends, a third resets an echo.
    if (i % 3 === 0) {
      await peer.send({ opcode: 8, payload: new Uint8Array() });
      await peer.drain();
    }
    if (i % 3 === 1) await peer.write(frame);
  };
  const useMany = async (count: number) => {
    let next = 0;
    await Promise.all(Array.from({ length: 50 }, async () => {
      while (next < count) await use(next++);
    }));
  };
  const settle = async () => {
    await using client = await connect(server.url);
    assertEquals(await client.echo("Hello!"), "Hello!");
    while (descriptors() > idle + 5) {
      await delay(100);
    }
    return await memoryOf(server.pid);
  };
  const idle = descriptors();
  await useMany(50_000);
  const before = await settle();
  // Deno remembers a connection that ended without a close frame until its idle
  // timeout would have come, after 100 s.
  await delay(105_000);
  await useMany(50_000);
  const more = (await settle() - before) / MiB;
  assert(more < 50, `It took ${Math.round(more)} MiB more`);
}, LINUX);
