import { Buffer } from "node:buffer";
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { stub } from "@std/testing/mock";
import { handler } from "./echo_server.ts";
import { connect, type Message, serve } from "./testing/connections.ts";
import {
  deno,
  startEchoServer,
  startServer,
  test,
} from "./testing/processes.ts";
import {
  BINARY,
  CLOSE,
  CONTINUATION,
  encodeFrame,
  type Frame,
  HANDSHAKE,
  PING,
  PONG,
  RawPeer,
  TEXT,
} from "./testing/raw.ts";

const bytes = (...numbers: number[]) => new Uint8Array(numbers);

test("handler() sends text back as text, and bytes as bytes", async () => {
  await using server = serve(handler);
  await using client = await connect(server.url);
  for (
    const message of [
      "Hello!",
      "",
      "\u0000\u{1f600}",
      bytes(1, 2, 3).buffer,
      bytes().buffer,
      bytes(0xff, 0xfe).buffer,
    ]
  ) {
    assertEquals(await client.echo(message), message);
  }
});

test("handler() sends nothing of its own", async () => {
  await using server = serve(handler);
  using peer = await RawPeer.open(server.port);
  await peer.send({ opcode: CLOSE, payload: bytes(0x03, 0xe8) });
  // The close is answered: that is the first frame, and the last.
  assertEquals((await peer.readFrame()).opcode, CLOSE);
  await peer.drain();
});

test("handler() keeps the order of 10 000 messages, text and bytes", async () => {
  await using server = serve(handler);
  await using client = await connect(server.url);
  const messages = Array.from(
    { length: 10_000 },
    (_, i): Message =>
      i % 2 ? "€".repeat(i % 300) : new Uint8Array(i % 1000).fill(i).buffer,
  );
  for (const message of messages) client.socket.send(message);
  for (const message of messages) assertEquals(await client.next(), message);
});

test("handler() echoes a message of 16 MiB", async () => {
  await using server = serve(handler);
  await using client = await connect(server.url);
  const message = Buffer.alloc(16 * 1024 * 1024, "sixteen");
  const echo = await client.echo(message.buffer) as ArrayBuffer;
  assert(message.equals(Buffer.from(echo)));
});

test("handler() serves 100 clients at a time", async () => {
  await using server = serve(handler);
  await Promise.all(Array.from({ length: 100 }, async (_, i) => {
    await using client = await connect(server.url);
    for (let j = 0; j < 10; j++) {
      assertEquals(await client.echo(`${i} ${j}`), `${i} ${j}`);
    }
  }));
});

test("handler() echoes on any path", async () => {
  await using server = serve(handler);
  for (const path of ["", "a/b?c=d", "main.js"]) {
    await using client = await connect(server.url + path);
    assertEquals(await client.echo("Hello!"), "Hello!");
  }
});

test("handler() chooses the first subprotocol that is offered", async () => {
  await using server = serve(handler);
  await using client = await connect(server.url, ["chat.v2", "Chat"]);
  assertEquals(client.socket.protocol, "chat.v2");

  for (
    const [chosen, ...offers] of [
      ["a", "a"],
      ["a", "a, b"],
      ["a", "a,b"],
      ["a", " a \t,\t b"],
      ["a", ", a,,b"],
      ["a", "a", "b"],
      ["!#$%&'*+-.^_`|~aZ09", "!#$%&'*+-.^_`|~aZ09,b"],
    ]
  ) {
    const header = "Sec-WebSocket-Protocol";
    using peer = await RawPeer.request(server.port, [
      ...Object.entries(HANDSHAKE),
      ...offers.map((offer): [string, string] => [header, offer]),
    ]);
    const head = await peer.readHead();
    assertMatch(head, /^HTTP\/1.1 101 /);
    assertEquals(/^sec-websocket-protocol: (.*)\r$/im.exec(head)?.[1], chosen);
  }

  using peer = await RawPeer.request(server.port);
  assertEquals(/^sec-websocket-protocol/im.test(await peer.readHead()), false);
});

for (
  const [change, status, wanted, method = "GET"] of [
    [{}, 101, /^sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r$/im],
    [{ Upgrade: "WebSocket" }, 101],
    [{ Upgrade: "h2c, websocket" }, 101],
    [{ Connection: "keep-alive, upgrade" }, 101],
    [{ Upgrade: null }, 426, /^connection: Upgrade\r\nupgrade: websocket\r$/im],
    [{ Upgrade: "websockets" }, 426],
    [{ Connection: null }, 426],
    [{ Connection: "keep-alive" }, 426],
    [{}, 405, /^allow: GET\r$/im, "POST"],
    [{}, 405, /^allow: GET\r$/im, "HEAD"],
    [{ Upgrade: null }, 405, /^allow: GET\r$/im, "DELETE"],
    [{ Upgrade: null }, 426, /^content-type: text/im, "HEAD"],
    [{ "Sec-WebSocket-Version": null }, 426],
    [{ "Sec-WebSocket-Version": "8" }, 426, /^sec-websocket-version: 13\r$/im],
    [{ "Sec-WebSocket-Version": "13, 8" }, 426],
    [{ "Sec-WebSocket-Key": null }, 400],
    [{ "Sec-WebSocket-Key": "" }, 400],
    [{ "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ" }, 400],
    [{ "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZR==" }, 400],
    [{ "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25j" }, 400],
    [{ "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZWQ=" }, 400],
    [{ "Sec-WebSocket-Key": "dGhl_HNhbXBsZSBub25jZQ==" }, 400],
    [{ "Sec-WebSocket-Protocol": "" }, 400],
    [{ "Sec-WebSocket-Protocol": " , " }, 400],
    [{ "Sec-WebSocket-Protocol": "a b" }, 400],
    [{ "Sec-WebSocket-Protocol": "a, b/c" }, 400],
    [{ "Sec-WebSocket-Protocol": "é" }, 400],
  ] satisfies [Record<string, string | null>, number, RegExp?, string?][]
) {
  test(`handler() answers ${method} with ${JSON.stringify(change)} with ${status}`, async () => {
    await using server = serve(handler);
    const headers = Object.entries({ ...HANDSHAKE, ...change })
      .filter((header): header is [string, string] => header[1] !== null);
    using peer = await RawPeer.request(server.port, headers, method);
    const head = await peer.readHead();
    assertMatch(head, new RegExp(`^HTTP/1.1 ${status} `));
    if (wanted !== undefined) assertMatch(head, wanted);
    const length = Number(/^content-length: (\d+)/im.exec(head)?.[1]);
    if (status === 101 || method === "HEAD") return;
    const body = await peer.readText(length);
    assertEquals(body.match(/\n/g)?.length, 1, body);
    assert(body.endsWith("\n"));
  });
}

test("handler() tells a client without WebSocket how to connect", async () => {
  await using server = serve(handler);
  const response = await fetch(`http://127.0.0.1:${server.port}/a?b`);
  assertEquals(response.status, 426);
  assertStringIncludes(
    await response.text(),
    `deno run --allow-net main.ts ${server.url}a?b`,
  );
});

/** What no proper client sends. Each ends its own connection and no other. */
const HOSTILE: Record<string, (Partial<Frame> | Uint8Array<ArrayBuffer>)[]> = {
  ...Object.fromEntries(
    [3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((
      opcode,
    ) => [`the reserved opcode ${opcode}`, [{ opcode }]]),
  ),
  "reserved bit 1": [{ rsv: 4 }],
  "reserved bit 2": [{ rsv: 2 }],
  "reserved bit 3": [{ rsv: 1 }],
  "a ping of 126 bytes": [{ opcode: PING, payload: new Uint8Array(126) }],
  "a ping in two fragments": [
    { opcode: PING, fin: false },
    { opcode: CONTINUATION },
  ],
  "a continuation of nothing": [{ opcode: CONTINUATION }],
  "a message within a message": [{ fin: false }, { fin: true }],
  "text that is not UTF-8": [{ payload: bytes(0xc3, 0x28) }],
  "text that ends within a character": [{ payload: bytes(0xe2, 0x82) }],
  "fragments that are not UTF-8": [
    { fin: false, payload: bytes(0xe2) },
    { opcode: CONTINUATION, payload: bytes(0x28) },
  ],
  "a surrogate in UTF-8": [{ payload: bytes(0xed, 0xa0, 0x80) }],
  ...Object.fromEntries(
    [0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65535].map((code) => [
      `the close code ${code}`,
      [{ opcode: CLOSE, payload: bytes(code >> 8, code & 0xff) }],
    ]),
  ),
  "half a close code": [{ opcode: CLOSE, payload: bytes(3) }],
  "a close reason that is not UTF-8": [
    { opcode: CLOSE, payload: bytes(0x03, 0xe8, 0xff) },
  ],
  "a frame of 64 MiB": [bytes(0x82, 0xff, 0, 0, 0, 0, 4, 0, 0, 0, 1, 2, 3, 4)],
  "a frame of more bytes than there are": [
    bytes(0x82, 0xff, ...Array(8).fill(0xff), 1, 2, 3, 4),
  ],
};

test("echo_server.ts outlives every frame that breaks the protocol", async () => {
  await using server = await startEchoServer();
  await using bystander = await connect(server.url);
  for (const [name, frames] of Object.entries(HOSTILE)) {
    using peer = await RawPeer.open(server.port);
    for (const frame of frames) {
      if (frame instanceof Uint8Array) await peer.write(frame);
      else await peer.send({ opcode: TEXT, payload: bytes(65), ...frame });
    }
    await peer.drain();
    await using client = await connect(server.url);
    assertEquals(await client.echo(name), name);
    assertEquals(await bystander.echo(name), name);
  }
});

test("echo_server.ts answers pings, also between the fragments of a message", async () => {
  await using server = await startEchoServer();
  using peer = await RawPeer.open(server.port);
  await peer.send({ opcode: BINARY, payload: bytes(1), fin: false });
  await peer.send({ opcode: PING, payload: bytes(2) });
  await peer.send({ opcode: CONTINUATION, payload: bytes(3) });
  assertEquals(
    await peer.readFrame(),
    { opcode: PONG, payload: bytes(2), fin: true },
  );
  assertEquals(
    await peer.readFrame(),
    { opcode: BINARY, payload: bytes(1, 3), fin: true },
  );
});

test("echo_server.ts outlives what is no handshake, and half of one", async () => {
  await using server = await startEchoServer();
  const handshake = `GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n${
    Object.entries(HANDSHAKE).map((header) => header.join(": ")).join("\r\n")
  }\r\n\r\n`;
  const noise = crypto.getRandomValues(new Uint8Array(1000));
  noise[0] = 0; // no method begins with it
  const hello = bytes(0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc);
  for (const garbage of [noise, hello, "GET /\r\n\r\n", "\r\n\r\n\0"]) {
    using peer = await RawPeer.connect(server.port);
    await peer.write(garbage);
    await peer.drain();
  }
  using half = await RawPeer.connect(server.port);
  await half.write(handshake.slice(0, -9));
  for (const end of [0, 1, 50, handshake.length - 1, handshake.length]) {
    using peer = await RawPeer.connect(server.port);
    await peer.write(handshake.slice(0, end));
  }
  using slow = await RawPeer.connect(server.port);
  for (const character of handshake) await slow.write(character);
  assertMatch(await slow.readHead(), /^HTTP\/1.1 101 /);
  await slow.send({ opcode: TEXT, payload: bytes(65) });
  assertEquals((await slow.readFrame()).payload, bytes(65));
  await using client = await connect(server.url);
  assertEquals(await client.echo("Hello!"), "Hello!");
});

test("echo_server.ts outlives connections that end in the middle of anything", async () => {
  await using server = await startEchoServer();
  await using bystander = await connect(server.url);
  const frame = encodeFrame({
    opcode: BINARY,
    payload: new Uint8Array(70_000),
  });
  for (let i = 0; i < 1000; i++) {
    using peer = await RawPeer.request(server.port);
    if (i % 4 === 0) continue;
    await peer.readHead();
    if (i % 4 === 1) continue;
    await peer.write(frame.subarray(0, i * 69));
    // With an echo unread, the end is a reset.
    if (i % 4 === 2) await peer.write(frame);
  }
  assertEquals(await bystander.echo("Still there?"), "Still there?");
  await using client = await connect(server.url);
  assertEquals(await client.echo("Hello!"), "Hello!");
});

test("handler() closes with 1008 for who sends and does not read, and nobody else", async () => {
  await using server = serve(handler);
  await using bystander = await connect(server.url);
  using peer = await RawPeer.open(server.port);
  const payload = new Uint8Array(1024 * 1024);
  const frame = encodeFrame({ opcode: BINARY, payload });
  for (let i = 0; i < 100; i++) {
    await peer.write(frame);
    assertEquals(await bystander.echo(`${i}`), `${i}`);
  }
  let echoed = 0;
  let last = await peer.readFrame();
  for (; last.opcode === BINARY; last = await peer.readFrame()) {
    assertEquals(last.payload.length, payload.length);
    echoed++;
  }
  assertEquals(last.opcode, CLOSE);
  assertEquals(last.payload.slice(0, 2), bytes(1008 >> 8, 1008 & 0xff));
  const reason = new TextDecoder().decode(last.payload.slice(2));
  assertEquals(reason, "Too much was echoed and not read");
  // What the kernels hold was taken, as far as the server can see.
  assert(echoed >= 64 && echoed < 100, `${echoed} echoes`);
});

test("handler() finds dead peers with pings", async () => {
  const { upgradeWebSocket } = Deno;
  let idleTimeout: number | undefined;
  using _upgrade = stub(Deno, "upgradeWebSocket", (request, options) => {
    ({ idleTimeout } = options!);
    // The same a hundred times as fast.
    return upgradeWebSocket(request, {
      ...options,
      idleTimeout: idleTimeout! / 100,
    });
  });
  await using server = serve(handler);
  using dead = await RawPeer.open(server.port);
  await using live = await connect(server.url);
  assertEquals((await dead.readFrame()).opcode, PING);
  // It does not answer.
  const { opcode, payload } = await dead.readFrame();
  assertEquals(opcode, CLOSE);
  assertEquals(payload.slice(0, 2), bytes(1001 >> 8, 1001 & 0xff));
  assertEquals(idleTimeout, 100);
  assertEquals(await live.echo("Still there?"), "Still there?");
});

test("echo_server.ts prints where it listens, and what to try", async () => {
  await using server = await startEchoServer();
  assertEquals(
    server.line,
    `Listening on ${server.url} (try: deno run --allow-net main.ts ${server.url}, or open ${
      server.url.replace("ws", "http")
    })`,
  );
  assertMatch(server.url, /^ws:\/\/127\.0\.0\.1:[1-9]\d*\/$/);
});

test("echo_server.ts --hostname listens there", async () => {
  for (
    const [hostname, origin] of [
      ["localhost", "ws://127.0.0.1:"],
      ["0.0.0.0", "ws://127.0.0.1:"],
    ]
  ) {
    await using server = await startEchoServer("--hostname", hostname);
    assertStringIncludes(server.url, origin);
    await using client = await connect(server.url);
    assertEquals(await client.echo("Hello!"), "Hello!");
  }
});

test("echo_server.ts --help prints its usage, and does nothing else", async () => {
  for (const flag of ["--help", "-h"]) {
    const { code, stdout, stderr } = await deno(
      ...["run", "echo_server.ts", flag, "--port", "x"],
    );
    assertStringIncludes(stdout, "Usage: deno run --allow-net echo_server.ts");
    assertEquals(stderr, "");
    assertEquals(code, 0);
  }
});

test("echo_server.ts says when its port is in use", async () => {
  await using server = await startEchoServer();
  const port = `${server.port}`;
  const { code, stdout, stderr } = await deno(
    ...["run", "--allow-net", "echo_server.ts", "--port", port],
  );
  assertEquals(stdout, "");
  assertEquals(
    stderr,
    `Cannot listen on "127.0.0.1" port ${port}: it is in use (choose another with --port, 0 takes a free one)\n`,
  );
  assertEquals(code, 1);
});

const PEM = ["testdata/localhost.pem", "testdata/localhost.key"];

for (
  const [args, words, wanted = 2] of [
    [["--port", "http"], 'from 0 to 65535, not "http"'],
    [["--port", "65536"], 'from 0 to 65535, not "65536"'],
    [["--port", "-1"], "--port"],
    [["--port", "1e3"], 'not "1e3"'],
    [["--port", ""], 'not ""'],
    [["--port"], "'--port <value>'"],
    [["--no-such-flag"], "'--no-such-flag'"],
    [["8000"], "'8000'"],
    [["--hostname", ""], "--hostname takes"],
    [["--hostname", "nosuch.invalid"], '"nosuch.invalid"', 1],
    [["--cert", PEM[0]], "--cert and --key go together"],
    [["--key", PEM[1]], "--cert and --key go together"],
    [["--cert", "no.pem", "--key", PEM[1]], 'Cannot read --cert "no.pem"', 1],
    [["--cert", PEM[0], "--key", "lib"], 'Cannot read --key "lib"', 1],
    [["--cert", PEM[1], "--key", PEM[1]], "Cannot use --cert with --key", 1],
    [["--cert", PEM[0], "--key", PEM[0]], "Cannot use --cert with --key", 1],
  ] satisfies [string[], string, number?][]
) {
  test(`echo_server.ts ${args.join(" ")} is one line of error`, async () => {
    const { code, stdout, stderr } = await deno(
      ...["run", "--allow-net", "--allow-read", "echo_server.ts", ...args],
    );
    assertEquals(stdout, "");
    assertStringIncludes(stderr, words);
    assertEquals(stderr.trimEnd().split("\n").length, 1, stderr);
    assertEquals(code, wanted);
  });
}

test("echo_server.ts says in one line which permission is missing", async () => {
  const tls = ["--cert", PEM[0], "--key", PEM[1]];
  for (
    const [flag, ...args] of [
      ["--allow-net", "echo_server.ts"],
      ["--allow-read", "--allow-net", "echo_server.ts", ...tls],
    ]
  ) {
    const { code, stderr } = await deno("run", ...args);
    assertStringIncludes(stderr, `run again with the ${flag} flag`);
    assertEquals(stderr.trimEnd().split("\n").length, 1, stderr);
    assertEquals(code, 1);
  }
});

const windows = Deno.build.os === "windows";
const linux = Deno.build.os === "linux";

for (const signal of ["SIGINT", "SIGTERM"] as const) {
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
      assert(time < 500, `It took ${time} ms`);
    },
    windows,
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
  // It is about to stop. Messages that go on coming do not spoil it.
  for (let i = 0; i < 5; i++) await peer.write(frame);
  let echoed = 0;
  let last = await peer.readFrame();
  for (; last.opcode === BINARY; last = await peer.readFrame()) echoed++;
  assert(echoed >= 500, `${echoed} echoes`);
  assertEquals(last.opcode, CLOSE);
  assertEquals(last.payload.slice(0, 2), bytes(1001 >> 8, 1001 & 0xff));
  await peer.send({ opcode: CLOSE, payload: last.payload });
  assertEquals((await server.ended).code, 0);
}, windows);

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
}, windows);

test(
  "echo_server.ts takes a signal that comes twice at a time as one",
  async () => {
    await using server = await startEchoServer();
    using stalled = await openStalled(server.port);
    await using client = await connect(server.url);
    server.kill("SIGINT");
    // The first has arrived when this comes, and the server waits for a peer.
    assertEquals((await client.closed).code, 1001);
    server.kill("SIGINT");
    await fetch(server.url.replace("ws", "http")).then((r) => r.text());
    // So has the second: it still answers.
    stalled[Symbol.dispose]();
    assertEquals((await server.ended).code, 0);
  },
  windows,
);

test("echo_server.ts stops at once on a second signal", async () => {
  await using server = await startEchoServer();
  using _stalled = await openStalled(server.port);
  await using client = await connect(server.url);
  const start = performance.now();
  server.kill("SIGTERM");
  await client.closed;
  // The next one counts as a second signal when it is not the first one's echo.
  const again = setInterval(() => server.kill("SIGTERM"), 50);
  assertEquals((await server.ended).code, 1);
  clearInterval(again);
  const time = performance.now() - start;
  assert(time < 500, `It took ${time} ms`);
}, windows);

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
    // The kernel deals the connections out: each process has some of them.
    first.kill("SIGTERM");
    await first.ended;
    const echoes = await Promise.all(clients.map((client) => client.echo("?")));
    const rest = echoes.filter((echo) => echo === "?").length;
    assert(rest > 0 && rest < clients.length, `${rest} of ${clients.length}`);
    second.kill("SIGTERM");
    await Promise.all(clients.map(({ closed }) => closed));
  },
  Deno.build.os !== "linux",
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
    // It listens again, in its own time.
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
}, !linux);
