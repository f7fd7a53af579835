import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { connect } from "../testing/in_process.ts";
import {
  type ServerProcess,
  startEchoServer,
  startServer,
} from "../testing/processes.ts";
import {
  BINARY,
  bytes,
  CLOSE,
  encodeFrame,
  RawPeer,
  resetHandshake,
} from "../testing/raw.ts";
import { permitted } from "../testing/permitted.ts";
import { setTimeout as delay } from "node:timers/promises";
import { KiB, MiB } from "./units.ts";

/** On Windows, a process can only kill another, not ask it to stop. */
const SIGNALS = permitted({ ignore: Deno.build.os === "windows" });

/** Windows has no ulimit, and on macOS Deno raises the limit when it starts. */
const ULIMIT = permitted({ ignore: Deno.build.os !== "linux" });

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  Deno.test(
    `echo_server.ts stops on ${signal}, and every client gets 1001`,
    SIGNALS,
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
      const { code, stdout, stderr } = await server.ended;
      assertEquals([code, stderr], [0, ""]);
      assertEquals(
        stdout.split("\n")[1],
        `Stopped by ${signal}: connections closed with 1001: 50; cut: 0`,
      );
      const time = performance.now() - start;
      assert(time < 1000, `It took ${time} ms`);
    },
  );
}

Deno.test(
  "echo_server.ts delivers what is queued before it stops",
  SIGNALS,
  async () => {
    await using server = await startEchoServer();
    using peer = await RawPeer.open(server.port);
    const payload = new Uint8Array(64 * KiB);
    const frame = encodeFrame({ opcode: BINARY, payload });
    const count = 200;
    for (let i = 0; i < count; i++) await peer.write(frame);
    await using bystander = await connect(server.url);
    server.kill("SIGTERM");
    assertEquals((await bystander.closed).code, 1001);
    // It is about to stop. Messages that still come do no harm.
    for (let i = 0; i < 5; i++) await peer.write(frame);
    let echoed = 0;
    let last = await peer.readFrame();
    for (; last.opcode === BINARY; last = await peer.readFrame()) echoed++;
    assert(echoed >= count, `${echoed} echoes`);
    assertEquals(last.opcode, CLOSE);
    assertEquals(last.payload.slice(0, 2), bytes(1001 >> 8, 1001 & 0xff));
    await peer.send({ opcode: CLOSE, payload: last.payload });
    assertEquals((await server.ended).code, 0);
  },
);

/** Opens a connection whose echoes fill more than the kernel's buffers. */
async function openStalled(port: number): Promise<RawPeer> {
  const peer = await RawPeer.open(port);
  const payload = new Uint8Array(MiB);
  for (let i = 0; i < 20; i++) await peer.send({ opcode: BINARY, payload });
  return peer;
}

Deno.test(
  "echo_server.ts is not held up by a peer that never reads",
  SIGNALS,
  async () => {
    await using server = await startEchoServer();
    using _stalled = await openStalled(server.port);
    await using client = await connect(server.url);
    const start = performance.now();
    server.kill("SIGTERM");
    assertEquals((await client.closed).code, 1001);
    assertEquals((await server.ended).code, 0);
    const time = performance.now() - start;
    assert(time > 2400 && time < 4000, `It took ${time} ms`);
  },
);

Deno.test(
  "echo_server.ts takes further signals as the first",
  SIGNALS,
  async () => {
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
  },
);

/** Waits until a server refuses new connections. */
async function untilRefused(server: ServerProcess): Promise<void> {
  for (;;) {
    using peer = await RawPeer.request(server.port);
    if (/^HTTP\/1.1 503 /.test(await peer.readHead())) return;
  }
}

Deno.test(
  "echo_server.ts --drain lets conversations end, and refuses new ones",
  SIGNALS,
  async () => {
    await using server = await startEchoServer("--drain", "30");
    const health = async () => {
      const url = server.url.replace("ws", "http") + "health";
      return await (await fetch(url)).text();
    };
    await using client = await connect(server.url);
    assertEquals(await health(), "ok; open connections: 1\n");
    const start = performance.now();
    server.kill("SIGTERM");
    await untilRefused(server);
    assertEquals(await health(), "draining; open connections: 1\n");
    // Longer than without --drain.
    while (performance.now() - start < 3500) {
      assertEquals(await client.echo("Still there?"), "Still there?");
      await delay(300);
    }
    client.socket.close(1000);
    assertEquals((await client.closed).code, 1000);
    const { code, stdout, stderr } = await server.ended;
    assertEquals([code, stderr], [0, ""]);
    // Another one may have opened just before.
    assertEquals(stdout.replace(/: [12];/, ": 1;").split("\n").slice(1), [
      "Draining: open connections: 1; they may go on for 30 s",
      "Stopped by SIGTERM: connections closed with 1001: 0; cut: 0",
      "",
    ]);
    const time = performance.now() - start;
    assert(time < 6000, `It took ${time} ms`);
  },
);

Deno.test(
  "echo_server.ts --drain closes the rest when the time is over",
  SIGNALS,
  async () => {
    await using server = await startEchoServer("--drain", "1");
    await using client = await connect(server.url);
    const start = performance.now();
    server.kill("SIGTERM");
    assertEquals((await client.closed).code, 1001);
    const time = performance.now() - start;
    assert(time >= 999 && time < 2500, `It took ${time} ms`);
    assertEquals((await server.ended).code, 0);
  },
);

Deno.test(
  "echo_server.ts ends --drain with a second signal, but not with its echo",
  SIGNALS,
  async () => {
    await using server = await startEchoServer("--drain", "30");
    await using client = await connect(server.url);
    server.kill("SIGINT");
    await untilRefused(server);
    server.kill("SIGINT"); // as deno task does
    await delay(700);
    assertEquals(await client.echo("Still there?"), "Still there?");
    const start = performance.now();
    server.kill("SIGINT");
    assertEquals((await client.closed).code, 1001);
    assertEquals((await server.ended).code, 0);
    const time = performance.now() - start;
    assert(time < 2000, `It took ${time} ms`);
  },
);

for (const [count, inFlight] of [[20, 1], [10, 8], [2, 64]] as const) {
  Deno.test(
    `echo_server.ts closes clients with ${inFlight} messages in flight with 1001`,
    SIGNALS,
    async () => {
      await using server = await startEchoServer();
      const closes = await Promise.all(
        Array.from({ length: count }, async () => {
          const client = await connect(server.url);
          const { socket } = client;
          socket.addEventListener("message", ({ data }) => {
            if (socket.readyState === WebSocket.OPEN) socket.send(data);
          });
          for (let i = 0; i < inFlight; i++) socket.send(`${i}`);
          return { closed: client.closed };
        }),
      );
      server.kill("SIGTERM");
      for (const { closed } of closes) {
        const { code, wasClean } = await closed;
        assertEquals([code, wasClean], [1001, true]);
      }
      assertEquals((await server.ended).code, 0);
    },
  );
}

Deno.test(
  "echo_server.ts refuses handshakes while it stops",
  SIGNALS,
  async () => {
    await using server = await startEchoServer();
    using _stalled = await openStalled(server.port);
    await using client = await connect(server.url);
    server.kill("SIGTERM");
    await client.closed;
    using peer = await RawPeer.request(server.port);
    assertMatch(await peer.readHead(), /^HTTP\/1.1 503 /);
  },
);

Deno.test(
  "echo_server.ts lets a short conversation end while it stops",
  SIGNALS,
  async () => {
    await using server = await startEchoServer();
    await using quiet = await connect(server.url);
    await using busy = await connect(server.url);
    server.kill("SIGTERM");
    // It is stopping when the quiet client is closed. The other one goes on.
    let stopping = false;
    quiet.closed.then(() => stopping = true);
    for (let after = 0; after < 5; after += Number(stopping)) {
      assertEquals(await busy.echo("Still there?"), "Still there?");
      await delay(5);
    }
    assertEquals((await quiet.closed).code, 1001);
    busy.socket.close(1000);
    assertEquals((await busy.closed).code, 1000);
    assertEquals((await server.ended).code, 0);
  },
);

/** Starts a server to which things happen that may take so many MiB more. */
function startFailingServer(maxMemory = 1_000_000): Promise<ServerProcess> {
  const args = ["run", "--allow-net", "testing/failing_server.ts"];
  return startServer(Deno.execPath(), [...args, `${maxMemory}`]);
}

/** Requests a path, and returns the head of the response. */
async function request({ port }: ServerProcess, path: string) {
  using peer = await RawPeer.connect(port);
  await peer.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
  const head = await peer.readHead();
  if (path.startsWith("/fail/")) await peer.drain();
  return head;
}

for (const name of ["", "ConnectionAborted", "ConnectionReset"]) {
  Deno.test(
    `echo_server.ts listens again at once when accept() fails for one connection with "${name}"`,
    permitted(),
    async () => {
      await using server = await startFailingServer();
      assertMatch(await request(server, `/fail/${name}`), /^HTTP\/1.1 200 /);
      const start = performance.now();
      for (let isOpen = false; !isOpen;) {
        try {
          await using client = await connect(server.url);
          isOpen = await client.echo("Hello!") === "Hello!";
        } catch {
          await delay(5);
        }
      }
      const time = performance.now() - start;
      assert(time < 900, `It took ${time} ms`);
      server.kill("SIGKILL");
      assertEquals((await server.ended).stderr, "");
    },
  );
}

Deno.test(
  "echo_server.ts says at most every 10 s that it is full",
  permitted(),
  async () => {
    await using server = await startFailingServer();
    for (let i = 0; i < 3; i++) {
      assertMatch(await request(server, "/full"), /^HTTP\/1.1 503 /);
    }
    server.kill("SIGKILL");
    const { stderr } = await server.ended;
    assertEquals(stderr, "Full: 3 connections are open\n");
  },
);

Deno.test(
  "echo_server.ts stops when it takes too much memory, and ends at once when that grows",
  permitted(),
  async () => {
    await using server = await startFailingServer(100);
    const start = performance.now();
    await request(server, "/fill");
    const { code, stdout, stderr } = await server.ended;
    const time = performance.now() - start;
    const [, taken, limit] =
      /^The server takes (\d+) MiB of memory, and (\d+) MiB is the limit, so the server stops and must be started again\n$/
        .exec(stderr) ?? [];
    // It takes some 50 MiB when it starts, and may take 100 more.
    assert(Number(limit) > 120 && Number(limit) < 300, stderr);
    assert(Number(taken) > Number(limit), stderr);
    assert(Number(taken) < Number(limit) + 200, stderr);
    assertEquals(code, 3);
    assertEquals(
      stdout.split("\n")[1],
      "Stopped by a lack of memory: connections closed with 1001: 2; cut: 3",
    );
    // To stop would take 2.5 s more, because a peer does not read.
    assert(time < 2400, `It took ${time} ms`);
  },
);

Deno.test(
  "echo_server.ts does not drain on a signal while it stops",
  SIGNALS,
  async () => {
    await using server = await startFailingServer(-1);
    // It stops when it has looked at its memory. After that, it goes on for 2.5 s.
    await delay(500);
    server.kill("SIGTERM");
    const { code, stdout, time } = await server.ended;
    assertEquals(stdout.split("\n").slice(1), [
      "Stopped by a lack of memory: connections closed with 1001: 2; cut: 3",
      "",
    ]);
    assertEquals(code, 3);
    assert(time >= 2500, `It took ${time} ms`);
  },
);

/** Starts an echo server that may open so many files and sockets. */
function startWithDescriptors(count: number): Promise<ServerProcess> {
  const args = ["run", "--allow-net", "echo_server.ts", "--port", "0"];
  return startServer(
    "sh",
    ["-c", `ulimit -n ${count}; exec "$0" "$@"`, Deno.execPath(), ...args],
  );
}

Deno.test(
  "echo_server.ts survives a shortage of file descriptors",
  ULIMIT,
  async () => {
    await using server = await startWithDescriptors(64);
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
        await delay(50);
      }
      peers.at(-1)![Symbol.dispose]();
    }
    server.kill("SIGTERM");
    assertEquals((await first.closed).code, 1001);
    const { code, stderr } = await server.ended;
    assertMatch(
      stderr,
      /^Cannot accept connections: Too many open files \(os error 24\); [^\n]*\nAccepting connections again\n$/,
    );
    assertEquals(code, 0);
  },
);

Deno.test(
  "echo_server.ts stops when reset handshakes have taken its file descriptors",
  ULIMIT,
  async () => {
    await using server = await startWithDescriptors(256);
    await using client = await connect(server.url);
    let ended = false;
    server.ended.then(() => ended = true);
    for (let i = 0; i < 5000 && !ended; i++) await resetHandshake(server.port);
    assertEquals((await client.closed).code, 1001);
    const { code, stderr } = await server.ended;
    assertMatch(
      stderr,
      /^Cannot accept connections: Too many open files \(os error 24\); \d{3} are lost to handshakes that were reset, so the server stops and must be started again\n$/,
    );
    assertEquals(code, 3);
  },
);

/** Opens connections that say nothing until no more are accepted. */
async function fill(server: ServerProcess): Promise<RawPeer[]> {
  const peers: RawPeer[] = [];
  for (;;) {
    try {
      peers.push(await RawPeer.connect(server.port));
    } catch {
      return peers;
    }
  }
}

Deno.test(
  "echo_server.ts goes on when silent connections have taken its file descriptors",
  ULIMIT,
  async () => {
    await using server = await startWithDescriptors(64);
    await using client = await connect(server.url);
    await resetHandshake(server.port);
    const peers = await fill(server);
    assertEquals(await client.echo("Still there?"), "Still there?");
    for (const peer of peers) peer[Symbol.dispose]();
    for (let accepted = false; !accepted;) {
      try {
        await using another = await connect(server.url);
        accepted = await another.echo("Hello!") === "Hello!";
      } catch {
        await delay(50);
      }
    }
    server.kill("SIGTERM");
    assertEquals((await server.ended).code, 0);
  },
);

Deno.test(
  "echo_server.ts stops when it cannot listen again",
  ULIMIT,
  async () => {
    await using server = await startWithDescriptors(64);
    await using client = await connect(server.url);
    const peers = await fill(server);
    // The server has given its port up, and something else takes it.
    using _other = Deno.listen({ hostname: "127.0.0.1", port: server.port });
    for (const peer of peers) peer[Symbol.dispose]();
    assertEquals((await client.closed).code, 1001);
    const { code, stderr } = await server.ended;
    assertMatch(
      stderr,
      /\nCannot listen again on port \d+: Address already in use .*\n$/,
    );
    assertEquals(code, 1);
  },
);
