import { assert, assertEquals } from "@std/assert";
import { setTimeout as delay } from "node:timers/promises";
import { MiB } from "../../server/units.ts";
import { assertSameBytes } from "../bytes.ts";
import { permitted } from "../permitted.ts";
import { startEchoServer } from "../processes.ts";
import {
  BINARY,
  CLOSE,
  CONTINUATION,
  type Frame,
  PING,
  PONG,
  RawPeer,
  TEXT,
} from "../raw.ts";
import { batchOf, memoryOf, writeAsLongAsRead } from "./memory.ts";

/** Milliseconds. */
const TIME = 20_000;

/** Returns numbers that look random, and are the same for the same seed. */
function numbersFrom(seed: number): (below: number) => number {
  return (below) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor(seed / 2 ** 32 * below);
  };
}

/** Returns the frames of a message, with pings between its fragments. */
function framesOf(random: (below: number) => number): Frame[] {
  const isText = random(2) === 0;
  const size = random(8) === 0 ? 0 : 2 ** random(18) + random(9);
  const character = ["a", "é", "€", "👍"][random(4)]!;
  const payload = isText
    ? new TextEncoder().encode(character.repeat(size / 4))
    : new Uint8Array(size).fill(random(256));
  const opcode = isText ? TEXT : BINARY;
  if (random(4) > 0) return [{ opcode, payload }];
  const cut = random(payload.length + 1);
  return [
    { opcode, payload: payload.slice(0, cut), fin: false },
    { opcode: PING, payload: new Uint8Array(random(126)) },
    { opcode: CONTINUATION, payload: payload.slice(cut) },
  ];
}

/** Sends messages at random, and compares every echo. Returns how many. */
async function converse(port: number, seed: number): Promise<number> {
  const random = numbersFrom(seed);
  using peer = await RawPeer.open(port);
  const expected: Frame[] = [];
  const end = performance.now() + TIME;
  let echoes = 0;
  const read = async () => {
    const frame = await peer.readFrame();
    if (frame.opcode === PONG) return;
    const { opcode, payload } = expected.shift()!;
    assertEquals(frame.opcode, opcode, `client ${seed}, echo ${echoes}`);
    assertSameBytes(frame.payload.slice().buffer, payload.buffer);
    echoes++;
  };
  while (performance.now() < end) {
    const count = 1 + random(40);
    const writing = (async () => {
      for (let i = 0; i < count; i++) {
        const frames = framesOf(random);
        const all = frames.filter(({ opcode }) => opcode !== PING)
          .flatMap(({ payload }) => [...payload]);
        const { opcode } = frames[0]!;
        expected.push({ opcode, payload: new Uint8Array(all) });
        for (const frame of frames) await peer.send(frame);
      }
    })();
    if (random(3) === 0) await delay(random(200)); // a slow reader
    await writing;
    while (expected.length > 0) await read();
  }
  if (seed % 2 === 0) {
    (peer.connection as Deno.TcpConn).closeWrite();
  } else {
    await peer.send({ opcode: CLOSE, payload: new Uint8Array() });
    assertEquals((await peer.readFrame()).opcode, CLOSE, `client ${seed}`);
  }
  return echoes;
}

Deno.test(
  "echo_server.ts echoes everything to 20 random clients, beside 24 that fill its memory",
  permitted({ ignore: Deno.build.os !== "linux", timeout: 180_000 }),
  async () => {
    // What may wait follows from it: a third.
    await using server = await startEchoServer("--max-memory", "768");
    const batch = batchOf({ opcode: BINARY, payload: new Uint8Array(MiB) });
    const stalled = await Promise.all(
      Array.from({ length: 24 }, () => RawPeer.open(server.port)),
    );
    let most = 0;
    const filling = (async () => {
      for (let round = 0; round < 40; round++) {
        await Promise.all(
          stalled.map((peer) => writeAsLongAsRead(peer, batch, 1)),
        );
        most = Math.max(most, await memoryOf(server.pid) / MiB);
      }
    })();
    const seed = Math.floor(Math.random() * 1e6);
    const counts = await Promise.all(
      Array.from({ length: 20 }, (_, i) => converse(server.port, seed + i)),
    );
    await filling;
    assert(counts.every((count) => count > 10), `seed ${seed}: ${counts}`);
    assert(most > 200 && most < 768, `It took ${Math.round(most)} MiB`);
    for (const peer of stalled) peer[Symbol.dispose]();
    server.kill("SIGTERM");
    const { code, stderr } = await server.ended;
    assertEquals([code, stderr], [0, ""], `seed ${seed}`);
  },
);
