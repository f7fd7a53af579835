import { Buffer } from "node:buffer";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { stub } from "@std/testing/mock";
import { handler, MAX_CONNECTIONS } from "./echo_server.ts";
import { assertSameBytes } from "./testing/bytes.ts";
import { connect, type Message, serveHere } from "./testing/in_process.ts";
import { FakeSocket } from "./testing/fake_socket.ts";
import { startEchoServer } from "./testing/processes.ts";
import {
  BINARY,
  bytes,
  CLOSE,
  CONTINUATION,
  encodeFrame,
  encodeRequest,
  type Frame,
  HANDSHAKE,
  PING,
  PONG,
  RawPeer,
  TEXT,
} from "./testing/raw.ts";
import { permitted } from "./testing/permitted.ts";
import { MiB } from "./server/units.ts";

Deno.test(
  "handler() sends text back as text, and bytes as bytes",
  permitted(),
  async () => {
    await using server = serveHere(handler);
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
  },
);

Deno.test("handler() sends nothing of its own", permitted(), async () => {
  await using server = serveHere(handler);
  using peer = await RawPeer.open(server.port);
  await peer.send({ opcode: CLOSE, payload: bytes(0x03, 0xe8) });
  // The close is answered: that is the first frame, and the last.
  assertEquals((await peer.readFrame()).opcode, CLOSE);
  assertEquals(await peer.drain(), 0);
});

Deno.test(
  "handler() keeps the order of 10,000 messages, text and bytes",
  permitted(),
  async () => {
    await using server = serveHere(handler);
    await using client = await connect(server.url);
    const messages = Array.from(
      { length: 10_000 },
      (_, i): Message =>
        i % 2 ? "€".repeat(i % 300) : new Uint8Array(i % 1000).fill(i).buffer,
    );
    for (const message of messages) client.socket.send(message);
    for (const message of messages) assertEquals(await client.next(), message);
  },
);

Deno.test("handler() echoes a message of 16 MiB", permitted(), async () => {
  await using server = serveHere(handler);
  await using client = await connect(server.url);
  const message = Buffer.alloc(16 * MiB, "sixteen");
  const echo = await client.echo(message.buffer) as ArrayBuffer;
  assertSameBytes(echo, message.buffer);
});

Deno.test("handler() serves 100 clients at a time", permitted(), async () => {
  await using server = serveHere(handler);
  await Promise.all(Array.from({ length: 100 }, async (_, i) => {
    await using client = await connect(server.url);
    for (let j = 0; j < 10; j++) {
      assertEquals(await client.echo(`${i} ${j}`), `${i} ${j}`);
    }
  }));
});

Deno.test("handler() echoes on any path", permitted(), async () => {
  await using server = serveHere(handler);
  for (const path of ["", "a/b?c=d", "main.js"]) {
    await using client = await connect(server.url + path);
    assertEquals(await client.echo("Hello!"), "Hello!");
  }
});

Deno.test(
  "handler() chooses the first subprotocol that is offered",
  permitted(),
  async () => {
    await using server = serveHere(handler);
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
      assertMatch(
        head,
        /^sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r$/im,
      );
      assertEquals(
        /^sec-websocket-protocol: (.*)\r$/im.exec(head)?.[1],
        chosen,
      );
    }

    using peer = await RawPeer.request(server.port);
    assertEquals(
      /^sec-websocket-protocol/im.test(await peer.readHead()),
      false,
    );
  },
);

Deno.test(
  "handler() refuses a handshake that Deno does not upgrade, and lives on",
  permitted(),
  async () => {
    await using server = serveHere(handler);
    await using bystander = await connect(server.url);
    for (
      const [status, ...lines] of [
        [426, ["Upgrade", "h2c"], ["Upgrade", "websocket"]],
        [426, ["Upgrade", "websocket"], ["Upgrade", "h2c"]],
        [101, ["Upgrade", "websocket"], ["Connection", "keep-alive"]],
        [400, ["Upgrade", "websocket"], ["Sec-WebSocket-Protocol", "\u00a0a"]],
      ] as [number, ...[string, string][]][]
    ) {
      const headers = Object.entries(HANDSHAKE)
        .filter(([name]) => name !== "Upgrade");
      using peer = await RawPeer.request(server.port, [...lines, ...headers]);
      assertMatch(await peer.readHead(), new RegExp(`^HTTP/1.1 ${status} `));
    }
    using peer = await RawPeer.connect(server.port);
    await peer.write(encodeRequest(Object.entries(HANDSHAKE)));
    assertMatch(await peer.readHead(), /^HTTP\/1.1 400 /);
    assertEquals(await bystander.echo("Still there?"), "Still there?");
  },
);

/** What breaks the protocol. Each ends its own connection and no other. */
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

Deno.test(
  "echo_server.ts outlives every frame that breaks the protocol",
  permitted(),
  async () => {
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
  },
);

Deno.test(
  "echo_server.ts answers pings, also between the fragments of a message",
  permitted(),
  async () => {
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
  },
);

Deno.test(
  "echo_server.ts outlives garbage, and half of a handshake",
  permitted(),
  async () => {
    await using server = await startEchoServer();
    const handshake = encodeRequest(
      Object.entries({ Host: "a", ...HANDSHAKE }),
    );
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
  },
);

Deno.test(
  "echo_server.ts outlives connections that end in the middle of anything",
  permitted(),
  async () => {
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
  },
);

/** Lets handler() upgrade requests to fake sockets. */
function stubUpgrade():
  & { sockets: FakeSocket[]; ask(): Response }
  & Disposable {
  const sockets: FakeSocket[] = [];
  const upgrade = stub(Deno, "upgradeWebSocket", () => {
    const socket = new FakeSocket();
    sockets.push(socket);
    return {
      socket: socket as unknown as WebSocket,
      response: new Response(),
    };
  });
  return {
    sockets,
    ask: () =>
      handler(
        new Request("http://a/", { headers: { ...HANDSHAKE, host: "a" } }),
      ),
    [Symbol.dispose]() {
      for (const socket of sockets) socket.end();
      upgrade[Symbol.dispose]();
    },
  };
}

Deno.test("handler() answers 503 when 10,000 connections are open", async () => {
  using server = stubUpgrade();
  const health = () => handler(new Request("http://a/health"));
  for (let i = 0; i < MAX_CONNECTIONS; i++) {
    assertEquals(server.ask().status, 200);
    assertEquals(health().status, 200);
    server.sockets[i]!.open();
  }
  assertEquals(server.sockets.length, 10_000);
  const refusal = server.ask();
  assertEquals(refusal.status, 503);
  assertEquals(refusal.headers.get("retry-after"), "10");
  assertEquals(await refusal.text(), "No more connections now\n");
  assertEquals(health().status, 503);

  server.sockets[0]!.end();
  assertEquals(server.ask().status, 200);
  assertEquals(health().status, 200);
});

Deno.test(
  "handler() answers a health check, and echoes on its path",
  permitted(),
  async () => {
    await using server = serveHere(handler);
    const url = `${server.url}health`;
    for (const method of ["GET", "HEAD"]) {
      const response = await fetch(url.replace("ws", "http"), { method });
      assertEquals(response.status, 200);
      const line = "ok; open connections: 0\n";
      assertEquals(await response.text(), method === "GET" ? line : "");
    }
    await using client = await connect(url);
    assertEquals(await client.echo("Hello!"), "Hello!");
  },
);

Deno.test(
  "handler() keeps a text message that is too long from ending the process",
  permitted(),
  async () => {
    await using server = serveHere(handler);
    await using _client = await connect(server.url);
    using error = stub(console, "error", () => {});
    const reason = new RangeError("failed to allocate string; buffer exceeds");
    const event = new PromiseRejectionEvent("unhandledrejection", {
      promise: Promise.resolve(),
      reason,
      cancelable: true,
    });
    dispatchEvent(event);
    assert(event.defaultPrevented, "the process would end");
    assertEquals(error.calls.map(({ args }) => args), [
      ["A client sent a text message of more than 512 MiB"],
    ]);
  },
);

Deno.test(
  "handler() is not held up by a header of 50 kB of spaces",
  permitted(),
  async () => {
    await using server = serveHere(handler);
    await using bystander = await connect(server.url);
    const start = performance.now();
    for (let i = 0; i < 5; i++) {
      const spaces = " ".repeat(50_000);
      using peer = await RawPeer.request(server.port, {
        ...HANDSHAKE,
        Connection: `a${spaces}b`,
      });
      assertMatch(await peer.readHead(), /^HTTP\/1.1 426 /);
      assertEquals(await bystander.echo(`${i}`), `${i}`);
    }
    const time = performance.now() - start;
    assert(time < 2000, `It took ${time} ms`);
  },
);

Deno.test(
  "handler() closes with 1008 for a peer that does not read, and for no other",
  permitted(),
  async () => {
    await using server = serveHere(handler);
    await using bystander = await connect(server.url);
    using peer = await RawPeer.open(server.port);
    const payload = new Uint8Array(MiB);
    const frame = encodeFrame({ opcode: BINARY, payload });
    for (let i = 0; i < 150; i++) {
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
    assertEquals(reason, "Too many echoes were not read");
    // What the kernel holds was read, as far as the server can see.
    assert(echoed > 102 && echoed < 150, `${echoed} echoes`);
  },
);

Deno.test("handler() finds dead peers with pings", permitted(), async () => {
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
  await using server = serveHere(handler);
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
