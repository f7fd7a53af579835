import { assert, assertEquals, assertMatch } from "@std/assert";
import { connect } from "../in_process.ts";
import { main, type ServerProcess, startEchoServer } from "../processes.ts";
import {
  acceptHandshake,
  BINARY,
  CLOSE,
  CONTINUATION,
  encodeFrame,
  PING,
  RawPeer,
  RawServer,
  TEXT,
} from "../raw.ts";
import { permitted } from "../permitted.ts";
import { batchOf, memoryOf, writeAsLongAsRead } from "./memory.ts";
import { setTimeout as delay } from "node:timers/promises";
import { MiB } from "../../server/units.ts";

const LINUX = permitted({
  ignore: Deno.build.os !== "linux",
  timeout: 300_000,
});

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

Deno.test(
  "echo_server.ts outlives a text message that is too long",
  LINUX,
  async () => {
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
  },
);

Deno.test(
  "echo_server.ts reads no more of a flood that it does not echo, and serves the others",
  LINUX,
  async () => {
    for (const size of [20, 1000]) {
      await using server = await startEchoServer();
      using peer = await RawPeer.open(server.port);
      const payload = new Uint8Array(size);
      const batch = batchOf({ opcode: BINARY, payload });
      const flood = writeAsLongAsRead(peer, batch, 2000);
      const times = await timeEchoes(server, flood);
      assert(await flood < 2000, "The server went on reading");
      const worst = times.at(-1)!;
      assert(worst < 2000, `The slowest of ${times.length} took ${worst} ms`);
      // A flood of small messages is over after a few echoes, which have no 99th
      // percentile.
      if (size === 1000) {
        assert(times.length > 1000, `${times.length} echoes`);
        const p99 = times[Math.floor(times.length * 0.99)]!;
        assert(p99 < 250, `p99 is ${p99} ms of ${times.length}`);
      }
      const start = performance.now();
      server.kill("SIGTERM");
      assertEquals((await server.ended).code, 0);
      assert(performance.now() - start < 1000);
    }
  },
);

for (
  const [size, opcode] of [[MiB, BINARY], [500, TEXT], [20, TEXT]] as const
) {
  Deno.test(
    `echo_server.ts bounds the memory for 40 peers that do not read messages of ${size} B`,
    LINUX,
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
  );
}

const LIMIT = 512;

/** What the server says when it takes more than the limit. */
const TOO_MUCH =
  /^The server takes \d+ MiB of memory, and 512 MiB is the limit, so the server stops and must be started again\n$/;

/** Measures a server until it ends, and returns the most that it took, in MiB. */
async function peakOf({ pid, ended }: ServerProcess): Promise<number> {
  let isOver = false;
  ended.then(() => isOver = true);
  let most = 0;
  while (!isOver) {
    try {
      const status = await Deno.readTextFile(`/proc/${pid}/status`);
      const kiB = Number(/^VmHWM:\s*(\d+)/m.exec(status)?.[1] ?? 0);
      most = Math.max(most, kiB / 1024);
    } catch {
      break; // it has ended
    }
    await delay(5);
  }
  return most;
}

/** Ends of a connection after which Deno keeps what the peer has not read. */
const UNCLEAN_ENDS: Record<string, (peer: RawPeer) => Promise<void>> = {
  "half-close": (peer) => (peer.connection as Deno.TcpConn).closeWrite(),
  "break the protocol": (peer) =>
    peer.send({ opcode: 3, payload: new Uint8Array() }),
  "send a ping that is too large": (peer) =>
    peer.send({ opcode: PING, payload: new Uint8Array(126) }),
  "send half a close code": (peer) =>
    peer.send({ opcode: CLOSE, payload: new Uint8Array(1) }),
};

for (const [name, end] of Object.entries(UNCLEAN_ENDS)) {
  Deno.test(
    `echo_server.ts ends in time for peers that do not read and then ${name}`,
    LINUX,
    async () => {
      await using server = await startEchoServer("--max-memory", `${LIMIT}`);
      await using bystander = await connect(server.url);
      const peak = peakOf(server);
      const frame = encodeFrame({
        opcode: BINARY,
        payload: new Uint8Array(MiB),
      });
      let ended = false;
      server.ended.then(() => ended = true);
      const peers: RawPeer[] = [];
      for (let i = 0; i < 30 && !ended; i++) {
        try {
          const peer = await RawPeer.open(server.port);
          peers.push(peer);
          await writeAsLongAsRead(peer, frame, 60);
          await end(peer);
        } catch {
          break; // the server has stopped
        }
      }
      const { code, stderr } = await server.ended;
      assertMatch(stderr, TOO_MUCH);
      assertEquals(code, 3);
      assertEquals((await bystander.closed).code, 1001);
      assert(await peak < 1.75 * LIMIT, `It took ${await peak} MiB`);
      for (const peer of peers) peer[Symbol.dispose]();
    },
  );
}

for (
  const [count, size] of [[1, MiB], [8, 60_000]] as const
) {
  Deno.test(
    `echo_server.ts ends in time for ${count} messages in fragments of ${size} B that never end`,
    LINUX,
    async () => {
      await using server = await startEchoServer("--max-memory", `${LIMIT}`);
      const peak = peakOf(server);
      const payload = new Uint8Array(size);
      const first = encodeFrame({ opcode: BINARY, payload, fin: false });
      const rest = batchOf({ opcode: CONTINUATION, payload, fin: false });
      await Promise.all(Array.from({ length: count }, async () => {
        using peer = await RawPeer.open(server.port);
        await peer.write(first);
        await writeAsLongAsRead(peer, rest, 5000);
      }));
      const { code, stderr } = await server.ended;
      assertMatch(stderr, TOO_MUCH);
      assertEquals(code, 3);
      assert(await peak < 1.75 * LIMIT, `It took ${await peak} MiB`);
    },
  );
}

/** Sends 8 MiB, and reads all the echoes. */
async function sendAndRead(
  peer: RawPeer,
  beforeReading: () => Promise<void> | void = () => {},
): Promise<void> {
  const frame = encodeFrame({ opcode: BINARY, payload: new Uint8Array(MiB) });
  const writing = (async () => {
    for (let i = 0; i < 8; i++) await peer.write(frame);
    await beforeReading();
  })();
  for (let i = 0; i < 8; i++) {
    assertEquals((await peer.readFrame()).payload.length, MiB, `echo ${i}`);
  }
  await writing;
}

Deno.test(
  "echo_server.ts serves twelve readers that half-close",
  LINUX,
  async () => {
    await using server = await startEchoServer("--max-memory", `${LIMIT}`);
    for (let i = 0; i < 12; i++) {
      using peer = await RawPeer.open(server.port);
      await sendAndRead(
        peer,
        () => (peer.connection as Deno.TcpConn).closeWrite(),
      );
    }
    server.kill("SIGTERM");
    const { code, stderr } = await server.ended;
    assertEquals([code, stderr], [0, ""]);
  },
);

Deno.test(
  "echo_server.ts goes on when 200 clients vanish after reading",
  LINUX,
  async () => {
    await using server = await startEchoServer();
    for (let round = 0; round < 10; round++) {
      await Promise.all(Array.from({ length: 20 }, async () => {
        using peer = await RawPeer.open(server.port);
        await sendAndRead(peer);
      }));
    }
    await using client = await connect(server.url);
    assertEquals(await client.echo("Still there?"), "Still there?");
    server.kill("SIGTERM");
    const { code, stderr } = await server.ended;
    assertEquals([code, stderr], [0, ""]);
  },
);

Deno.test(
  "echo_server.ts writes nothing about streams that are reset over HTTP/2",
  LINUX,
  async () => {
    await using server = await startEchoServer();
    using peer = await RawPeer.connect(server.port);
    /** Returns a frame (RFC 9113 section 4.1). */
    const frame = (
      kind: number,
      flags: number,
      stream: number,
      ...payload: number[]
    ) => [
      ...[0, 0, payload.length, kind, flags, 0, 0, stream >> 8, stream & 0xff],
      ...payload,
    ];
    const settings = frame(4, 0, 0);
    const streams = Array.from({ length: 5000 }, (_, i) => [
      // GET / of http://a, in HPACK's static table, and then RST_STREAM.
      ...frame(1, 5, 2 * i + 1, 0x82, 0x86, 0x84, 0x41, 1, 0x61),
      ...frame(3, 0, 2 * i + 1, 0, 0, 0, 8),
    ]);
    await peer.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    await writeAsLongAsRead(
      peer,
      new Uint8Array([...settings, ...streams.flat()]),
      1,
    );
    await using client = await connect(server.url);
    assertEquals(await client.echo("Still there?"), "Still there?");
    server.kill("SIGTERM");
    const { code, stderr } = await server.ended;
    assertEquals([code, stderr], [0, ""]);
  },
);

for (const [size, opcode] of [[60_000, BINARY], [5000, TEXT]] as const) {
  const kind = opcode === TEXT ? "characters" : "bytes";
  Deno.test(
    `echo_server.ts bounds the memory for 9,500 peers that do not read messages of ${size} ${kind}`,
    LINUX,
    async () => {
      await using server = await startEchoServer();
      await using bystander = await connect(server.url);
      // A euro sign takes three bytes, and one character of a string.
      const payload = opcode === TEXT
        ? new TextEncoder().encode("\u20ac".repeat(size))
        : new Uint8Array(size);
      const batch = batchOf({ opcode, payload }, 60_000);
      let ended = false;
      server.ended.then(() => ended = true);
      const peers: RawPeer[] = [];
      for (let i = 0; i < 9500; i++) {
        peers.push(await RawPeer.open(server.port));
      }
      let most = 0;
      for (let round = 0; round < 12 && !ended; round++) {
        let next = 0;
        await Promise.all(Array.from({ length: 50 }, async () => {
          while (next < peers.length && !ended) {
            await writeAsLongAsRead(peers[next++]!, batch, 1);
          }
        }));
        if (!ended) most = Math.max(most, await memoryOf(server.pid));
      }
      // Deno keeps buffers for each connection, so the server may take too much.
      // Then it stops, and takes some more meanwhile.
      const echo = ended ? undefined : await bystander.echo("Still there?");
      if (echo === undefined) {
        assertEquals((await bystander.closed).code, 1001);
        const { code, stderr } = await server.ended;
        assertMatch(stderr, /^The server takes 1\d{3} MiB of memory, /);
        assertEquals(code, 3);
      } else {
        assertEquals(echo, "Still there?");
      }
      assert(most < 2048 * MiB, `It took ${Math.round(most / MiB)} MiB`);
      for (const peer of peers) peer[Symbol.dispose]();
    },
  );
}

Deno.test(
  "echo_server.ts is as before after 100,000 connections",
  LINUX,
  async () => {
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
  },
);

Deno.test(
  "main.ts says in one line that a text message is too long",
  LINUX,
  async () => {
    await using server = new RawServer(async (peer) => {
      await acceptHandshake(peer);
      const payload = new Uint8Array(32 * 1024 * 1024);
      for (let i = 0; i <= 16; i++) {
        await peer.send({
          opcode: i === 0 ? TEXT : 0,
          payload,
          fin: i === 16,
          masked: false,
        });
      }
      await peer.drain();
    });
    const url = `ws://127.0.0.1:${server.port}/`;
    const { code, stderr } = await main("--timeout", "30", url, "Hello!");
    assertEquals(
      stderr,
      `${url}: The server sent a text message of more than 512 MiB, which Deno cannot receive\n`,
    );
    assertEquals(code, 1);
  },
);
