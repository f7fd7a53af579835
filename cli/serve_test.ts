import { Socket } from "node:net";
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { connect } from "../testing/connections.ts";
import { startEchoServer, startServer } from "../testing/processes.ts";
import {
  BINARY,
  CLOSE,
  encodeFrame,
  HANDSHAKE,
  RawPeer,
} from "../testing/raw.ts";
import { test } from "../testing/declare.ts";

const bytes = (...numbers: number[]) => new Uint8Array(numbers);

const WINDOWS = { ignore: Deno.build.os === "windows" };
const LINUX = { ignore: Deno.build.os !== "linux" };

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  test(
    `echo_server.ts stops on ${signal}, and every client gets 1001`,
    async () => {
      await using server = await startEchoServer();
      const clients = await Promise.all(
        Array.from({ length: 50 }, () => connect(server.url)),
      );
      for (const client of clients) client.socket.send("The last");
      await Promise.all(clients.map((client) => client.next()));
      const start = performance.now();
      server.kill(signal);
      for (const { closed } of clients) {
        const { code, wasClean } = await closed;
        assertEquals([code, wasClean], [1001, true]);
      }
      const { code, stderr } = await server.ended;
      assertEquals([code, stderr], [0, ""]);
      const time = performance.now() - start;
      assert(time < 1000, `It took ${time} ms`);
    },
    WINDOWS,
  );
}

test("echo_server.ts delivers what is queued before it stops", async () => {
  await using server = await startEchoServer();
  using peer = await RawPeer.open(server.port);
  const payload = new Uint8Array(64 * 1024);
  const frame = encodeFrame({ opcode: BINARY, payload });
  for (let i = 0; i < 500; i++) await peer.write(frame);
  await using bystander = await connect(server.url);
  server.kill("SIGTERM");
  assertEquals((await bystander.closed).code, 1001);
  // It is about to stop. Messages that still come do no harm.
  for (let i = 0; i < 5; i++) await peer.write(frame);
  let echoed = 0;
  let last = await peer.readFrame();
  for (; last.opcode === BINARY; last = await peer.readFrame()) echoed++;
  assert(echoed >= 500, `${echoed} echoes`);
  assertEquals(last.opcode, CLOSE);
  assertEquals(last.payload.slice(0, 2), bytes(1001 >> 8, 1001 & 0xff));
  await peer.send({ opcode: CLOSE, payload: last.payload });
  assertEquals((await server.ended).code, 0);
}, WINDOWS);

/** Opens a connection whose echoes fill more than the kernel's buffers. */
async function openStalled(port: number): Promise<RawPeer> {
  const peer = await RawPeer.open(port);
  const payload = new Uint8Array(1024 * 1024);
  for (let i = 0; i < 20; i++) await peer.send({ opcode: BINARY, payload });
  return peer;
}

test("echo_server.ts is not held up by a peer that never reads", async () => {
  await using server = await startEchoServer();
  using _stalled = await openStalled(server.port);
  await using client = await connect(server.url);
  const start = performance.now();
  server.kill("SIGTERM");
  assertEquals((await client.closed).code, 1001);
  assertEquals((await server.ended).code, 0);
  const time = performance.now() - start;
  assert(time > 2900 && time < 4000, `It took ${time} ms`);
}, WINDOWS);

test("echo_server.ts takes further signals as the first", async () => {
  await using server = await startEchoServer();
  using stalled = await openStalled(server.port);
  await using client = await connect(server.url);
  server.kill("SIGINT");
  // The first has arrived when this comes, and the server waits for a peer.
  assertEquals((await client.closed).code, 1001);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    server.kill(signal);
    const response = await fetch(server.url.replace("ws", "http"));
    assertEquals(response.status, 426);
    await response.body?.cancel();
  }
  stalled[Symbol.dispose]();
  assertEquals((await server.ended).code, 0);
}, WINDOWS);

test("echo_server.ts refuses handshakes while it stops", async () => {
  await using server = await startEchoServer();
  using _stalled = await openStalled(server.port);
  await using client = await connect(server.url);
  server.kill("SIGTERM");
  await client.closed;
  using peer = await RawPeer.request(server.port);
  assertMatch(await peer.readHead(), /^HTTP\/1.1 503 /);
}, WINDOWS);

test(
  "echo_server.ts lets a short conversation end while it stops",
  async () => {
    await using server = await startEchoServer();
    await using quiet = await connect(server.url);
    await using busy = await connect(server.url);
    server.kill("SIGTERM");
    // It is stopping when the quiet client is closed. The other goes on.
    const messages = (async () => {
      for (let i = 0; i < 50; i++) {
        assertEquals(await busy.echo(`${i}`), `${i}`);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    })();
    assertEquals((await quiet.closed).code, 1001);
    await messages;
    busy.socket.close(1000);
    assertEquals((await busy.closed).code, 1000);
    assertEquals((await server.ended).code, 0);
  },
  WINDOWS,
);

test(
  "echo_server.ts --reuse-port shares its port with another process",
  async () => {
    await using first = await startEchoServer("--reuse-port");
    const port = ["--reuse-port", "--port", `${first.port}`];
    await using second = await startEchoServer(...port);
    assertEquals(second.url, first.url);
    const clients = await Promise.all(
      Array.from({ length: 40 }, () => connect(first.url)),
    );
    for (const client of clients) {
      assertEquals(await client.echo("Hello!"), "Hello!");
    }
    // The kernel shares the connections out: each process has some of them.
    first.kill("SIGTERM");
    await first.ended;
    const echoes = await Promise.all(clients.map((client) => client.echo("?")));
    const rest = echoes.filter((echo) => echo === "?").length;
    assert(rest > 0 && rest < clients.length, `${rest} of ${clients.length}`);
    second.kill("SIGTERM");
    await Promise.all(clients.map(({ closed }) => closed));
  },
  LINUX,
);

test("echo_server.ts survives a shortage of file descriptors", async () => {
  const args = ["run", "--allow-net", "echo_server.ts", "--port", "0"];
  await using server = await startServer(
    "sh",
    ["-c", 'ulimit -n 64; exec "$0" "$@"', Deno.execPath(), ...args],
  );
  await using first = await connect(server.url);
  const attempt = async (peers: RawPeer[]) => {
    const peer = await RawPeer.request(server.port);
    peers.push(peer);
    await peer.readHead();
  };
  for (let round = 0; round < 2; round++) {
    const peers: RawPeer[] = [];
    await assertRejects(async () => {
      for (;;) await attempt(peers);
    });
    assert(peers.length > 10, `${peers.length} connections`);
    assertEquals(await first.echo("Still there?"), "Still there?");
    for (const peer of peers) peer[Symbol.dispose]();
    // It listens again within a second.
    while (!await attempt(peers).then(() => true, () => false)) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    peers.at(-1)![Symbol.dispose]();
  }
  server.kill("SIGTERM");
  assertEquals((await first.closed).code, 1001);
  const { code, stderr } = await server.ended;
  assertMatch(stderr, /^Cannot accept connections: .*Too many open files.*\n$/);
  assertEquals(code, 0);
}, LINUX);

test(
  "echo_server.ts stops when reset handshakes have taken its file descriptors",
  async () => {
    const args = ["run", "--allow-net", "echo_server.ts", "--port", "0"];
    await using server = await startServer(
      "sh",
      ["-c", 'ulimit -n 64; exec "$0" "$@"', Deno.execPath(), ...args],
    );
    await using client = await connect(server.url);
    const ended = { ended: false };
    server.ended.then(() => ended.ended = true);
    // Each resets its handshake, and some win the race against the answer.
    for (let i = 0; i < 5000 && !ended.ended; i++) {
      await resetHandshake(server.port).catch(() => {});
    }
    assertEquals((await client.closed).code, 1001);
    const { code, stderr } = await server.ended;
    assertMatch(
      stderr,
      /^Cannot accept connections: .*Too many open files.*; \d+ are lost to handshakes that were reset, so the server stops and must be started again\n$/,
    );
    assertEquals(code, 3);
  },
  LINUX,
);

/** Sends a handshake, and resets the connection before the answer. */
async function resetHandshake(port: number): Promise<void> {
  const socket = new Socket();
  await new Promise<void>((resolve, reject) => {
    socket.on("error", reject);
    socket.connect(port, "127.0.0.1", () => {
      const lines = Object.entries({ Host: "a", ...HANDSHAKE })
        .map((header) => header.join(": "));
      socket.write(`GET / HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`, () => {
        socket.resetAndDestroy();
        resolve();
      });
    });
  });
}
