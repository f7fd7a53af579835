import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { handler } from "../echo_server.ts";
import { ConversationError, converse } from "../main.ts";
import { printable } from "../shared/printable.ts";
import localhost from "../testing/certificates/localhost.pem" with {
  type: "text",
};
import key from "../testing/certificates/localhost.key" with { type: "text" };
import { logOf, serveHere } from "../testing/in_process.ts";
import { permitted } from "../testing/permitted.ts";
import {
  acceptHandshake,
  answers,
  type Behavior,
  BINARY,
  bytes,
  CLOSE,
  encodeAnswer,
  encodeFrame,
  RawPeer,
  RawServer,
  TEXT,
} from "../testing/raw.ts";
import { EchoingWebSocket, standIn } from "../testing/stand_in.ts";
import { setTimeout as delay } from "node:timers/promises";

/** Where a log is not looked at. */
const NO_LOG = { log() {} };

Deno.test("converse() says so when a connection drops without an error event, as in browsers", async () => {
  class DroppingWebSocket extends EchoingWebSocket {
    override send(): void {
      this.readyState = 3;
      const close = { code: 1006, wasClean: false };
      setTimeout(() => this.dispatchEvent(new CloseEvent("close", close)), 0);
    }
    override close(): void {}
  }
  using _socket = standIn(DroppingWebSocket);
  const { closeCode } = await assertRejects(
    () => logOf("ws://stand.in/", { pause: 20 }),
    ConversationError,
    "The connection dropped, no close frame came (1006), ",
  );
  assertEquals(closeCode, 1006);
});

/** Answers the handshake and then every message after so many milliseconds. */
function slowEcho(milliseconds: number) {
  return (request: Request) => {
    const { socket, response } = Deno.upgradeWebSocket(request);
    socket.addEventListener("message", ({ data }) => {
      setTimeout(() => socket.send(data), milliseconds);
    });
    return response;
  };
}

Deno.test(
  "converse() waits for answers that take 1.5 s",
  permitted(),
  async () => {
    await using server = serveHere(slowEcho(1500));
    assertEquals(await logOf(server.url), [
      "connected",
      "client -> server: Hello WebSocket!",
      "client -> server: Hello World!",
      "client <- server: Hello WebSocket!",
      "client <- server: Hello World!",
      "disconnected",
    ]);
  },
);

Deno.test(
  "converse() closes as soon as the last answer is there",
  permitted(),
  async () => {
    await using server = serveHere(slowEcho(200));
    const start = performance.now();
    await logOf(server.url, { pause: 0, timeout: 5000 });
    const time = performance.now() - start;
    assert(time >= 199 && time < 1500, `It took ${time} ms`);
  },
);

Deno.test(
  "converse() counts messages and does not compare them",
  permitted(),
  async () => {
    await using server = new RawServer(async (peer) => {
      await acceptHandshake(peer);
      await peer.readFrame();
      for (const byte of [1, 2]) {
        const payload = new Uint8Array([byte]);
        await peer.send({ opcode: BINARY, payload, masked: false });
      }
      await peer.send({ ...await peer.readFrame(), masked: false });
      peer[Symbol.dispose]();
    });
    assertEquals(
      await logOf(`ws://127.0.0.1:${server.port}/`, { messages: ["Hi!"] }),
      [
        "connected",
        "client -> server: Hi!",
        "client <- server: 1 byte: 01",
        "client <- server: 1 byte: 02",
        "disconnected",
      ],
    );
  },
);

Deno.test(
  "converse() closes a connection for which a wrong subprotocol was chosen",
  permitted(),
  async () => {
    await using server = serveHere((request) =>
      Deno.upgradeWebSocket(request).response
    );
    const lines: string[] = [];
    const log = (line: string) => lines.push(line);
    await assertRejects(
      () => converse(server.url, { protocols: ["chat"], log }),
      ConversationError,
      "The server chose none of the subprotocols that were offered",
    );
    assertEquals(lines, ["connected", "disconnected"]);
  },
);

Deno.test(
  "converse() gives up a handshake that is not answered",
  permitted(),
  async () => {
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    await using server = new RawServer(async (peer) => {
      await peer.drain();
      resolve();
    });
    const url = `ws://127.0.0.1:${server.port}/`;
    await assertRejects(
      () => converse(url, { timeout: 100, ...NO_LOG }),
      ConversationError,
      "No answer to the opening handshake within 0.1 s (timed out; a wrong host or port, or a firewall; ",
    );
    await ended;
  },
);

Deno.test(
  "converse() tells a connection that closes at once from one that never opened",
  permitted(),
  async () => {
    await using server = new RawServer(async (peer) => {
      const payload = bytes(0x03, 0xe8);
      const close = encodeFrame({ opcode: CLOSE, payload, masked: false });
      await acceptHandshake(peer, {}, close);
      await peer.drain();
    });
    const lines: string[] = [];
    const log = (line: string) => lines.push(line);
    await assertRejects(
      () => converse(`ws://127.0.0.1:${server.port}/`, { log }),
      ConversationError,
      "The server closed before a message was sent, 0.",
    );
    assertEquals(lines[0], "connected");
    assertEquals(lines.at(-1), "disconnected");
  },
);

/** Answers a handshake, sends these messages, and answers the close. */
function greets(...messages: (string | Uint8Array<ArrayBuffer>)[]): Behavior {
  return async (peer) => {
    await acceptHandshake(peer);
    for (const message of messages) {
      const isText = typeof message === "string";
      const payload = isText ? new TextEncoder().encode(message) : message;
      await peer.send({
        opcode: isText ? TEXT : BINARY,
        payload,
        masked: false,
      });
    }
    for (;;) {
      const frame = await peer.readFrame();
      if (frame.opcode !== CLOSE) continue;
      await peer.send({ ...frame, masked: false });
      return peer[Symbol.dispose]();
    }
  };
}

Deno.test(
  "converse() waits for the expected text, however many messages arrive",
  permitted(),
  async () => {
    for (
      const messages of [
        ["hello", "tick", "an ack!"],
        // What comes after it does not matter.
        ["an ack!", "tick"],
        ["tick", new TextEncoder().encode("\xff ack")],
      ]
    ) {
      await using server = new RawServer(greets(...messages));
      const lines = await logOf(`ws://127.0.0.1:${server.port}/`, {
        messages: [],
        expect: "ack",
        pause: 100,
      });
      assertEquals(lines.length, messages.length + 2, `${messages}`);
    }
  },
);

Deno.test(
  "converse() says which text did not arrive, and how many messages did",
  permitted(),
  async () => {
    for (
      const [messages, others] of [
        [["hello", "tick"], "the last of 2 that came: tick"],
        [["hello"], "the only one that came: hello"],
        [[], "none came (it may not echo: --expect or --connect-only)"],
        [["hello", bytes(1)], "the last of 2 that came: 1 byte: 01"],
      ] as const
    ) {
      await using server = new RawServer(greets(...messages));
      const { message, timedOut, closeCode } = await assertRejects(
        () =>
          converse(`ws://127.0.0.1:${server.port}/`, {
            messages: ["a", "b"],
            expect: "ack\n",
            pause: 50,
            timeout: 500,
            ...NO_LOG,
          }),
        ConversationError,
      );
      assertStringIncludes(
        message,
        `: No message contained "ack\\n" within 0.5 s (timed out); ${others}`,
      );
      assertEquals([timedOut, closeCode], [true, 1000]);
    }
  },
);

/** Ends a conversation after one message, in one of several ways. */
interface Ending {
  name: string;
  /** What is sent back before the close. @default {1} */
  answers?: number;
  /** The close code, or null for none. Without it TCP ends. */
  code?: number | null;
  /** Whether the client closes first. */
  clientFirst?: boolean;
  /** @default {["Hello!"]} */
  messages?: string[];
  expect?: string;
  /** What is wrong, if anything is. */
  error?: string;
}

const ENDINGS: Ending[] = [
  { name: "the client closes and gets 1000", code: 1000, clientFirst: true },
  { name: "the client closes and gets no code", code: null, clientFirst: true },
  // Deno does not tell this from a close frame without a code.
  { name: "the client closes and TCP ends", clientFirst: true },
  { name: "the server closes with 1000", code: 1000 },
  { name: "the server closes without a code", code: null },
  {
    name: "the server closes with 1000 after the expected text",
    expect: "Hello!",
    messages: ["Hello!", "Hello again!"],
    code: 1000,
  },
  {
    name: "the server closes with 1011",
    code: 1011,
    error:
      "The server closed with 1011 (internal error), 0.… s after it opened (a fault that its log tells)",
  },
  {
    name: "the client closes and gets 1008",
    code: 1008,
    clientFirst: true,
    error:
      "The server answered the close with 1008 (policy violation) (it wants other messages: --hex)",
  },
  {
    name: "the server closes with 1000 before the second message",
    messages: ["Hello!", "Hello again!"],
    code: 1000,
    error:
      "The server closed too early, after 1 of 2 messages, 0.… s after it opened; the only one that came: Hello! (it had finished: send fewer messages)",
  },
  {
    name: "the server closes without a code before the answer",
    answers: 0,
    code: null,
    error:
      "The server closed too early, after 0 of 1 messages, with 1005 (no status received), 0.… s after it opened",
  },
  {
    name: "the server closes with 1000 before the expected text",
    expect: "ack",
    code: 1000,
    error:
      'The server closed before a message contained "ack", with 1000 (normal closure), 0.… s after it opened; the only one that came: Hello! (it had finished: send fewer messages)',
  },
  {
    name: "the server closes with 1000 before all messages were sent",
    messages: ["Hello!", "Hello again!"],
    answers: 2,
    code: 1000,
    error:
      "The server closed too early, after 1 of 2 messages, 0.… s after it opened; the last of 2 that came: Hello! (it had finished: send fewer messages)",
  },
  {
    name: "TCP ends after the answer",
    error:
      "The connection dropped, no close frame came (1006), 0.… s after it opened (right after message 1: look into the server's log)",
  },
];

for (const ending of ENDINGS) {
  const { name, answers = 1, code, clientFirst, expect, error } = ending;
  const { messages = ["Hello!"] } = ending;
  const verdict = error === undefined ? "takes it as a success" : "says so";
  Deno.test(`converse() ${verdict} when ${name}`, permitted(), async () => {
    await using server = new RawServer(async (peer) => {
      await acceptHandshake(peer);
      const frame = await peer.readFrame();
      for (let i = 0; i < answers; i++) {
        await peer.send({ ...frame, masked: false });
      }
      if (clientFirst) await peer.readFrame();
      if (code !== undefined) {
        const payload = code === null ? bytes() : bytes(code >> 8, code & 255);
        await peer.send({ opcode: CLOSE, payload, masked: false });
        if (!clientFirst) await peer.drain();
      }
      peer[Symbol.dispose]();
    });
    const url = `ws://127.0.0.1:${server.port}/`;
    const options = { messages, expect, pause: 300, ...NO_LOG };
    const failure = await converse(url, options)
      .catch((failure: ConversationError) => failure);
    const message = failure?.message.replace(/0\.\d s after/, "0.… s after");
    assertEquals(message, error && `${url}: ${error}`);
    const closeCode = code === undefined ? 1006 : code ?? 1005;
    assertEquals(failure?.closeCode, error && closeCode);
  });
}

Deno.test(
  "converse() says when a connection without messages ends too early",
  permitted(),
  async () => {
    await using server = serveHere((request) => {
      const { socket, response } = Deno.upgradeWebSocket(request);
      socket.addEventListener("open", () => {
        setTimeout(() => socket.close(4401, "bad token"), 300);
      });
      return response;
    });
    const { message, closeCode } = await assertRejects(
      () =>
        converse(server.url, {
          messages: [],
          headers: { Authorization: "Bearer token" },
          ...NO_LOG,
        }),
      ConversationError,
    );
    assertMatch(
      message,
      /: The server closed too early, with "bad …", 4401 \(private use\), 0\.[3-9] s after it opened$/,
    );
    assertEquals(closeCode, 4401);
  },
);

Deno.test(
  "converse() says in numbers how it failed, for programs",
  permitted(),
  async () => {
    await using server = serveHere(() => new Response(null, { status: 418 }));
    const { status, timedOut, closeCode } = await assertRejects(
      () => converse(server.url, NO_LOG),
      ConversationError,
    );
    assertEquals([status, timedOut, closeCode], [418, false, undefined]);
  },
);

Deno.test(
  "converse() waits for the close for 1 s only when the answers are missing",
  permitted(),
  async () => {
    await using server = new RawServer(async (peer) => {
      await acceptHandshake(peer);
      await peer.drain();
    });
    const start = performance.now();
    await assertRejects(
      () =>
        converse(`ws://127.0.0.1:${server.port}/`, {
          pause: 0,
          timeout: 2000,
          ...NO_LOG,
        }),
      ConversationError,
      "Only 0 of 2 messages came back within 2 s (timed out; ",
    );
    const time = performance.now() - start;
    assert(time >= 2999 && time < 3900, `It took ${time} ms`);
  },
);

/** A server that fails, and what must be said about it. */
interface Case {
  name: string;
  /** Handles a TCP connection. Without it nothing listens. */
  peer?: Behavior;
  /** Serves TLS. */
  tls?: boolean;
  /** The URL up to the port. @default {"ws://127.0.0.1"} */
  base?: string;
  /** @default {["Hello!"]} */
  messages?: string[];
  /** The subprotocols to offer. */
  protocols?: string[];
  /** @default {500} */
  timeout?: number;
  /** The lines that are logged. */
  logged: string[];
  /** A line that may come any number of times besides. */
  noise?: string;
  /** The decisive words of the error. */
  error: RegExp;
}

const CONNECTED = ["connected", "client -> server: Hello!"];
const SAID = [...CONNECTED, "client <- server: Hello!"];

/** Answers the handshake, reads a message, sends this, and waits. */
function sends(
  opcode: number,
  payload: Uint8Array<ArrayBuffer>,
  rest: Record<string, unknown> = {},
) {
  return async (peer: RawPeer) => {
    await acceptHandshake(peer);
    await peer.readFrame();
    await peer.send({ opcode, payload, masked: false, ...rest });
    await peer.drain();
  };
}

/** Echoes the one message, and then answers the close with this payload. */
function answersClose(payload?: Uint8Array<ArrayBuffer>) {
  return async (peer: RawPeer) => {
    await acceptHandshake(peer);
    await peer.send({ ...await peer.readFrame(), masked: false });
    await peer.readFrame();
    if (payload === undefined) return await peer.drain();
    await peer.send({ opcode: CLOSE, payload, masked: false });
    peer[Symbol.dispose]();
  };
}

/** Windows takes 2 s to find that nothing listens. In milliseconds. */
const REFUSAL = Deno.build.os === "windows" ? 10_000 : 500;

const CASES: Case[] = [
  {
    name: "nothing listens",
    timeout: REFUSAL,
    logged: ["disconnected"],
    error: /: Connection refused .*is the server running/,
  },
  {
    name: "the host is not found",
    base: "ws://nosuch.invalid",
    timeout: 10_000,
    logged: ["disconnected"],
    error: /: Host "nosuch.invalid" not found/,
  },
  {
    name: "the TLS certificate is from an unknown authority",
    tls: true,
    base: "wss://localhost",
    logged: ["disconnected"],
    error: /certificate is from an unknown authority .*--cert/,
  },
  {
    name: "ws:// goes to a TLS port",
    tls: true,
    base: "ws://localhost",
    logged: ["disconnected"],
    error:
      /answer is not HTTP\/1\.1 \(if it speaks TLS, try wss:\/\/localhost:\d+\/\)/,
  },
  {
    name: "ws:// goes to a TLS port that explains itself in HTTP",
    peer: answers(
      encodeAnswer(
        400,
        {},
        "Client sent an HTTP request to an HTTPS server.\n",
      ),
    ),
    logged: ["disconnected"],
    error:
      /HTTP 400 instead of 101: Client sent an HTTP request to an HTTPS server\. \(try wss:\/\//,
  },
  {
    name: "wss:// goes to a plain port",
    peer: (peer) => peer.write("HTTP/1.1 400 Bad Request\r\n\r\n"),
    base: "wss://127.0.0.1",
    logged: ["disconnected"],
    error: /does not speak TLS there \(try ws:\/\/127\.0\.0\.1:\d+\/\)/,
  },
  {
    name: "the answer is HTTP 404",
    peer: answers(encodeAnswer(404)),
    logged: ["disconnected"],
    error: /answered HTTP 404 instead of 101 \(a wrong path; /,
  },
  {
    name: "the answer is HTTP 200 with escape sequences in its status line",
    peer: answers("HTTP/1.1 200 \x1b[31mOK\r\nContent-Length: 0\r\n\r\n"),
    logged: ["disconnected"],
    error: /answer is not HTTP\/1\.1/,
  },
  {
    name: "the answer is a redirect",
    peer: answers(encodeAnswer(302, { Location: "/x\x9b2J" })),
    logged: ["disconnected"],
    error: /answered HTTP 302 to \/x.*2J instead of 101 \(a missing login/,
  },
  {
    name: "the answer is 101 without the rest of the handshake",
    peer: answers("HTTP/1.1 101 Switching Protocols\r\n\r\n"),
    logged: ["disconnected"],
    error: /opening handshake failed: Invalid \w+ header/,
  },
  {
    name: "the answer is not HTTP",
    peer: answers("SSH-2.0-\x1b[2JOpenSSH\r\n"),
    logged: ["disconnected"],
    error: /answer is not HTTP\/1\.1/,
  },
  {
    name: "the server greets at once, as SSH does",
    peer: async (peer) => {
      await peer.write("SSH-2.0-OpenSSH\r\n");
      await peer.drain();
    },
    logged: ["disconnected"],
    error: /answer is not HTTP\/1\.1/,
  },
  {
    name: "the connection is closed instead of an answer",
    peer: async (peer) => {
      await peer.readHead();
      peer[Symbol.dispose]();
    },
    logged: ["disconnected"],
    error:
      /closed the connection without an answer \(a wrong port or path, or .*; TLS: try wss:\/\/127\.0\.0\.1:\d+\/; or /,
  },
  {
    name: "TCP is accepted and the handshake is never answered",
    peer: (peer) => peer.drain(),
    logged: [],
    error: /No answer to the opening handshake within 0\.5 s \(timed out/,
  },
  {
    name: "TCP is accepted and TLS is never answered",
    peer: (peer) => peer.drain(),
    base: "wss://127.0.0.1",
    logged: [],
    error: /No answer to the opening handshake within 0\.5 s \(timed out/,
  },
  {
    name: "the answer to the handshake never ends",
    peer: async (peer) => {
      await peer.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: web");
      await peer.drain();
    },
    logged: [],
    error: /No answer to the opening handshake within 0\.5 s \(timed out/,
  },
  {
    name: "the connection drops",
    peer: async (peer) => {
      await acceptHandshake(peer);
      await peer.readFrame();
      peer[Symbol.dispose]();
    },
    logged: [...CONNECTED, "disconnected"],
    error:
      /connection dropped, no close frame came \(1006\), 0\.\d s after it opened \(right after message 1: /,
  },
  {
    name: "the connection drops in the middle of a frame",
    peer: async (peer) => {
      await acceptHandshake(peer);
      await peer.readFrame();
      await peer.write(bytes(0x82, 100, 1, 2, 3));
      peer[Symbol.dispose]();
    },
    logged: [...CONNECTED, "disconnected"],
    error:
      /connection dropped, no close frame came \(1006\), 0\.\d s after it opened \(right after message 1: /,
  },
  {
    name: "the server breaks the protocol with invalid UTF-8",
    peer: sends(TEXT, bytes(0xff)),
    logged: [...CONNECTED, "disconnected"],
    error:
      /: The server broke the WebSocket protocol: .*UTF-8.*, 0\.\d s after it opened$/,
  },
  {
    name: "the server breaks the protocol with a reserved bit",
    peer: sends(TEXT, bytes(65), { rsv: 4 }),
    logged: [...CONNECTED, "disconnected"],
    error:
      /: The server broke the WebSocket protocol: Reserved bits are not zero, 0\.\d s after it opened$/,
  },
  {
    name: "the server closes with 1011 and a reason",
    peer: sends(CLOSE, bytes(0x03, 0xf3, ...new TextEncoder().encode("boom"))),
    logged: [...CONNECTED, "disconnected"],
    error:
      /closed too early, after 0 of 1 messages, with "boom", 1011 \(internal error\), 0\.\d s after it opened$/,
  },
  {
    name: "the server closes with a reason that is meant for the terminal",
    peer: sends(
      CLOSE,
      bytes(0x0f, 0xa0, ...new TextEncoder().encode("\x1b[2J\nclient")),
    ),
    logged: [...CONNECTED, "disconnected"],
    error:
      /with "\\u001b\[2J\\nclient", 4000 \(private use\), 0\.\d s after it opened$/,
  },
  {
    name: "the server chooses no subprotocol",
    peer: (peer) => acceptHandshake(peer),
    protocols: ["chat"],
    logged: ["connected"],
    error: /: The server chose none of the subprotocols that were offered$/,
  },
  {
    name: "the server chooses another subprotocol",
    peer: (peer) => acceptHandshake(peer, { "Sec-WebSocket-Protocol": "Chat" }),
    protocols: ["chat"],
    logged: ["connected"],
    error: /: The server chose a subprotocol that was not offered: Chat$/,
  },
  {
    name: "the server chooses a subprotocol, and none was offered",
    peer: (peer) => acceptHandshake(peer, { "Sec-WebSocket-Protocol": "chat" }),
    logged: ["connected"],
    error: /: The server chose a subprotocol that was not offered: chat$/,
  },
  {
    name: "the server chooses an extension that was not offered",
    peer: (peer) =>
      acceptHandshake(peer, {
        "Sec-WebSocket-Extensions": "permessage-deflate",
      }),
    logged: ["connected"],
    error: /an extension that was not offered: permessage-deflate$/,
  },
  {
    name: "only the first of two messages comes back",
    peer: async (peer) => {
      await acceptHandshake(peer);
      await peer.send({ ...await peer.readFrame(), masked: false });
      await peer.readFrame();
      await peer.send({ ...await peer.readFrame(), masked: false });
      peer[Symbol.dispose]();
    },
    messages: ["Hello!", "Hello again!"],
    logged: [...SAID, "client -> server: Hello again!", "disconnected"],
    error:
      /: Only 1 of 2 messages came back within 0\.5 s \(timed out\); the only one that came: Hello!$/,
  },
  {
    name: "no message comes back",
    peer: async (peer) => {
      await acceptHandshake(peer);
      await peer.readFrame();
      await peer.send({ ...await peer.readFrame(), masked: false });
      peer[Symbol.dispose]();
    },
    logged: [...CONNECTED, "disconnected"],
    error:
      /Only 0 of 1 messages came back within 0\.5 s \(timed out; it may not echo: /,
  },
  {
    name: "the server never answers the close",
    peer: answersClose(),
    logged: SAID,
    error: /No answer to the close within 0\.5 s \(timed out/,
  },
  {
    name: "the server never answers the close and goes on talking",
    peer: async (peer) => {
      await acceptHandshake(peer);
      await peer.send({ ...await peer.readFrame(), masked: false });
      await peer.readFrame();
      const noise = { opcode: BINARY, payload: bytes(1), masked: false };
      for (let i = 0; i < 100; i++) await peer.send(noise);
      await peer.drain();
    },
    logged: SAID,
    noise: "client <- server: 1 byte: 01",
    error: /No answer to the close within 0\.5 s \(timed out/,
  },
];

/** Starts the server of a case, until it goes out of scope. */
async function listen(
  { peer, tls, base = "ws://127.0.0.1" }: Case,
): Promise<{ url: string } & AsyncDisposable> {
  if (base.endsWith(".invalid")) {
    return { url: `${base}/`, async [Symbol.asyncDispose]() {} };
  }
  if (tls) {
    const server = serveHere(handler, { cert: localhost, key });
    return {
      url: `${base}:${server.port}/`,
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    };
  }
  const server = new RawServer(peer ?? (() => {}));
  const url = `${base}:${server.port}/`;
  if (peer === undefined) await server.stop();
  return { url, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

for (const one of CASES) {
  const { name, logged, noise, error: words } = one;
  const { messages = ["Hello!"], protocols, timeout = 500 } = one;
  Deno.test(`converse() says so when ${name}`, permitted(), async () => {
    const lines: string[] = [];
    const log = (line: string) => lines.push(line);
    await using server = await listen(one);
    const options = { messages, protocols, pause: 100, timeout, log };
    const start = performance.now();
    const { message } = await assertRejects(
      () => converse(server.url, options),
      ConversationError,
      `${server.url}: `,
    );
    const time = performance.now() - start;
    assertMatch(message, words);
    assertEquals(printable(message), message);
    assertEquals(lines.filter((line) => line !== noise), logged);
    assert(time < timeout + 1500, `It took ${time} ms`);

    // After a timeout the end is still logged, whenever it comes.
    await server[Symbol.asyncDispose]();
    while (!lines.includes("disconnected")) await delay(10);
  });
}

Deno.test(
  "converse() says the same, whether or not a message left before the server had closed",
  permitted(),
  async () => {
    const hello = encodeFrame({
      opcode: TEXT,
      payload: new TextEncoder().encode("hello"),
      masked: false,
    });
    const payload = bytes(0x03, 0xe8);
    const close = encodeFrame({ opcode: CLOSE, payload, masked: false });
    for (const milliseconds of [0, 0, 1, 1, 1, 2, 2, 3]) {
      await using server = new RawServer(async (peer) => {
        await acceptHandshake(peer);
        await delay(milliseconds);
        await peer.write(new Uint8Array([...hello, ...close]));
        peer[Symbol.dispose]();
      });
      const url = `ws://127.0.0.1:${server.port}/`;
      const lines = await logOf(url, { messages: ["Hi!"], expect: "hello" });
      assertEquals(lines.filter((line) => !line.includes("Hi!")), [
        "connected",
        "client <- server: hello",
        "disconnected",
      ]);
      const { message } = await assertRejects(
        () => converse(url, { messages: ["Hi!"], pause: 100, ...NO_LOG }),
        ConversationError,
      );
      assertEquals(
        message.replace(/0\.\d s/, "0.… s"),
        `${url}: The server closed before a message was sent, 0.… s after it opened; the only one that came: hello (to see how it closes: --connect-only)`,
      );
    }
  },
);

Deno.test(
  "converse() ends when its signal is aborted, at any step",
  permitted(),
  async () => {
    const silent: Behavior = async (peer) => {
      await acceptHandshake(peer);
      await peer.drain();
    };
    let isFirst = true;
    const answersOnce: Behavior = async (peer) => {
      if (isFirst) await answers(encodeAnswer(404))(peer);
      isFirst = false;
      await peer.drain(); // the second handshake
    };
    const never: Behavior = (peer) => peer.drain();
    for (const behave of [never, answersOnce, silent]) {
      await using server = new RawServer(behave);
      const url = `ws://127.0.0.1:${server.port}/`;
      for (const signal of [AbortSignal.timeout(200), AbortSignal.abort()]) {
        const start = performance.now();
        const reason = await converse(url, { signal, ...NO_LOG })
          .catch((reason) => reason);
        assertEquals(reason, signal.reason);
        const time = performance.now() - start;
        assert(time < 2000, `It took ${time} ms`);
      }
    }
    await using server = serveHere(handler);
    const { signal } = new AbortController();
    await converse(server.url, { signal, pause: 0, ...NO_LOG });
  },
);

Deno.test(
  "converse() says at which stage it failed",
  permitted(),
  async () => {
    await using refuses = new RawServer(answers(encodeAnswer(404)));
    await using hangsUp = new RawServer((peer) => peer[Symbol.dispose]());
    await using closes = new RawServer(answersClose(bytes(0x03, 0xf0)));
    await using silent = new RawServer(greets());
    const nobody = new RawServer(() => {});
    await nobody.stop();
    for (
      const [stage, url] of [
        ["name", "ws://nosuch.invalid/"],
        ["connection", `ws://127.0.0.1:${nobody.port}/`],
        ["tls", `wss://127.0.0.1:${hangsUp.port}/`],
        ["handshake", `ws://127.0.0.1:${refuses.port}/`],
        ["messages", `ws://127.0.0.1:${silent.port}/`],
        ["close", `ws://127.0.0.1:${closes.port}/`],
      ] as const
    ) {
      const options = { messages: ["Hi!"], pause: 0, timeout: REFUSAL };
      const failure = await assertRejects(
        () => converse(url, { ...options, ...NO_LOG }),
        ConversationError,
      );
      assertEquals([url, failure.stage], [url, stage]);
    }
  },
);
