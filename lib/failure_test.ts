import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { stub } from "@std/testing/mock";
import { handler } from "../echo_server.ts";
import { converse } from "../main.ts";
import expired from "../testdata/expired.pem" with { type: "text" };
import key from "../testdata/localhost.key" with { type: "text" };
import localhost from "../testdata/localhost.pem" with { type: "text" };
import other from "../testdata/other.pem" with { type: "text" };
import { deno, PERMITTED } from "../testing/processes.ts";
import {
  acceptHandshake,
  BINARY,
  CLOSE,
  RawPeer,
  RawServer,
  TEXT,
} from "../testing/raw.ts";
import { describeClose, describeRefusal } from "./failure.ts";
import { printable } from "./printable.ts";

/** A server that fails, and what is to be said of it. */
interface Case {
  name: string;
  /** Handles a TCP connection. Without it nothing listens. */
  peer?: (peer: RawPeer) => Promise<void> | void;
  /** Serves TLS with this certificate of testdata/. */
  certificate?: string;
  /** @default {"ws://127.0.0.1"} */
  origin?: string;
  /** Flags of `deno run`, for which there is no converse() to try. */
  flags?: string[];
  /** The lines on standard output. */
  stdout: string[];
  /** A line that may follow, any number of times. */
  noise?: string;
  /** The decisive words in the line on standard error. */
  stderr: RegExp;
}

const CERTIFICATES: Record<string, string> = { expired, localhost, other };
const CONNECTED = ["connected", "client -> server: Hello!"];
const SAID = [...CONNECTED, "client <- server: Hello!"];
const bytes = (...numbers: number[]) => new Uint8Array(numbers);

/** Answers the handshake, and then sends this, and waits. */
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

/** Answers the handshake request with this, as it is. */
function answers(text: string) {
  return async (peer: RawPeer) => {
    await peer.readHead();
    await peer.write(text);
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

const CASES: Case[] = [
  {
    name: "nothing listens",
    stdout: ["disconnected"],
    stderr: /: Connection refused .*is the server running/,
  },
  {
    name: "the host is not found",
    origin: "ws://nosuch.invalid",
    stdout: ["disconnected"],
    stderr: /: Host "nosuch.invalid" not found/,
  },
  {
    name: "the TLS certificate is from an unknown authority",
    certificate: "localhost",
    origin: "wss://localhost",
    stdout: ["disconnected"],
    stderr: /certificate is from an unknown authority .*--cert/,
  },
  {
    name: "the TLS certificate is for another host",
    certificate: "other",
    origin: "wss://localhost",
    flags: ["--cert", "testdata/ca.pem"],
    stdout: ["disconnected"],
    stderr: /certificate is for another host name: example\.org/,
  },
  {
    name: "the TLS certificate has expired",
    certificate: "expired",
    origin: "wss://localhost",
    flags: ["--cert", "testdata/ca.pem"],
    stdout: ["disconnected"],
    stderr: /certificate has expired/,
  },
  {
    name: "ws:// goes to a TLS port",
    certificate: "localhost",
    origin: "ws://localhost",
    stdout: ["disconnected"],
    stderr: /\(if it .* TLS, try wss:\/\/localhost:\d+\/\)/,
  },
  {
    name: "ws:// goes to a TLS port that explains itself in HTTP",
    peer: answers("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"),
    stdout: ["disconnected"],
    stderr: /HTTP 400 instead of 101 \(if it wants TLS, try wss:\/\//,
  },
  {
    name: "wss:// goes to a plain port",
    peer: (peer) => peer.write("HTTP/1.1 400 Bad Request\r\n\r\n"),
    origin: "wss://127.0.0.1",
    stdout: ["disconnected"],
    stderr: /does not speak TLS there \(try ws:\/\/127\.0\.0\.1:\d+\/\)/,
  },
  {
    name: "the answer is HTTP 404",
    peer: answers("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
    stdout: ["disconnected"],
    stderr: /answered HTTP 404 instead of 101/,
  },
  {
    name: "the answer is HTTP 200 with escape sequences in its status line",
    peer: answers("HTTP/1.1 200 \x1b[31mOK\r\nContent-Length: 0\r\n\r\n"),
    stdout: ["disconnected"],
    stderr: /HTTP/,
  },
  {
    name: "the answer is a redirect",
    peer: answers(
      "HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n",
    ),
    stdout: ["disconnected"],
    stderr: /answered HTTP 302 instead of 101/,
  },
  {
    name: "the answer is 101 without the rest of the handshake",
    peer: answers("HTTP/1.1 101 Switching Protocols\r\n\r\n"),
    stdout: ["disconnected"],
    stderr: /opening handshake failed: Invalid \w+ header/,
  },
  {
    name: "the answer is not HTTP",
    peer: answers("SSH-2.0-\x1b[2JOpenSSH\r\n"),
    stdout: ["disconnected"],
    stderr: /answer is not HTTP/,
  },
  {
    name: "the connection is closed instead of an answer",
    peer: async (peer) => {
      await peer.readHead();
      peer[Symbol.dispose]();
    },
    stdout: ["disconnected"],
    stderr: /closed the connection without an answer/,
  },
  {
    name: "TCP is accepted and the handshake is never answered",
    peer: (peer) => peer.drain(),
    stdout: [],
    stderr: /No answer to the opening handshake within 0\.5 s \(timed out\)/,
  },
  {
    name: "TCP is accepted and TLS is never answered",
    peer: (peer) => peer.drain(),
    origin: "wss://127.0.0.1",
    stdout: [],
    stderr: /No answer to the opening handshake within 0\.5 s \(timed out\)/,
  },
  {
    name: "the answer to the handshake never ends",
    peer: answers("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"),
    stdout: [],
    stderr: /No answer to the opening handshake within 0\.5 s \(timed out\)/,
  },
  {
    name: "the connection drops",
    peer: async (peer) => {
      await acceptHandshake(peer);
      await peer.readFrame();
      peer[Symbol.dispose]();
    },
    stdout: [...CONNECTED, "disconnected"],
    stderr: /connection dropped, no close frame came \(1006\)$/,
  },
  {
    name: "the connection drops in the middle of a frame",
    peer: async (peer) => {
      await acceptHandshake(peer);
      await peer.readFrame();
      await peer.write(bytes(0x82, 100, 1, 2, 3));
      peer[Symbol.dispose]();
    },
    stdout: [...CONNECTED, "disconnected"],
    stderr: /connection dropped, no close frame came \(1006\)$/,
  },
  {
    name: "the connection drops instead of an answer to the close",
    peer: async (peer) => {
      await acceptHandshake(peer);
      await peer.send({ ...await peer.readFrame(), masked: false });
      await peer.readFrame();
      peer[Symbol.dispose]();
    },
    stdout: [...SAID, "disconnected"],
    // Deno does not tell this from a close frame without a code.
    stderr: /close was not answered with 1000: 1005 \(no status received\)$/,
  },
  {
    name: "the server breaks the protocol with invalid UTF-8",
    peer: sends(TEXT, bytes(0xff)),
    stdout: [...CONNECTED, "disconnected"],
    stderr: /no close frame came \(1006\): .*UTF-8/,
  },
  {
    name: "the server breaks the protocol with a reserved bit",
    peer: sends(TEXT, bytes(65), { rsv: 4 }),
    stdout: [...CONNECTED, "disconnected"],
    stderr: /no close frame came \(1006\): .*Reserved bits/,
  },
  {
    name: "the server closes with 1011 and a reason",
    peer: sends(CLOSE, bytes(0x03, 0xf3, ...new TextEncoder().encode("boom"))),
    stdout: [...CONNECTED, "disconnected"],
    stderr: /closed too early, with 1011 \(internal error\) "boom"$/,
  },
  {
    name: "the server closes with a reason that is meant for the terminal",
    peer: sends(
      CLOSE,
      bytes(0x0f, 0xa0, ...new TextEncoder().encode("\x1b[2J\nclient")),
    ),
    stdout: [...CONNECTED, "disconnected"],
    stderr: /with 4000 \(private use\) "\\u001b\[2J\\nclient"$/,
  },
  {
    name: "the server closes with 1000, but too early",
    peer: sends(CLOSE, bytes(0x03, 0xe8)),
    stdout: [...CONNECTED, "disconnected"],
    stderr: /closed too early, with 1000 \(normal closure\)$/,
  },
  {
    name: "the server closes without a code",
    peer: sends(CLOSE, bytes()),
    stdout: [...CONNECTED, "disconnected"],
    stderr: /closed too early, with 1005 \(no status received\)$/,
  },
  {
    name: "the server answers the close with another code",
    peer: answersClose(bytes(0x03, 0xf0)),
    stdout: [...SAID, "disconnected"],
    stderr: /close was not answered with 1000: 1008 \(policy violation\)$/,
  },
  {
    name: "no message comes back",
    peer: async (peer) => {
      await acceptHandshake(peer);
      await peer.readFrame();
      await peer.send({ ...await peer.readFrame(), masked: false });
      peer[Symbol.dispose]();
    },
    stdout: [...CONNECTED, "disconnected"],
    stderr: /Only 0 of 1 messages came back/,
  },
  {
    name: "the server never answers the close",
    peer: answersClose(),
    stdout: SAID,
    stderr: /No answer to the close within 0\.5 s \(timed out\)/,
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
    stdout: SAID,
    noise: "client <- server: 1 byte: 01",
    stderr: /No answer to the close within 0\.5 s \(timed out\)/,
  },
];

/** Starts the server of a case, until it goes out of scope. */
function listen(
  { peer, certificate, origin = "ws://127.0.0.1" }: Case,
): { url: string } & AsyncDisposable {
  if (origin.endsWith(".invalid")) {
    return { url: `${origin}/`, async [Symbol.asyncDispose]() {} };
  }
  if (certificate !== undefined) {
    const server = Deno.serve({
      hostname: "127.0.0.1",
      port: 0,
      cert: CERTIFICATES[certificate],
      key,
      onListen() {},
    }, handler);
    return {
      url: `${origin}:${server.addr.port}/`,
      [Symbol.asyncDispose]: () => server.shutdown(),
    };
  }
  const server = new RawServer(peer ?? (() => {}));
  const url = `${origin}:${server.port}/`;
  if (peer === undefined) server.close();
  return { url, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

for (const one of CASES) {
  const { name, stdout, stderr, noise, flags = [] } = one;

  Deno.test({
    name: `main.ts says so when ${name}`,
    ignore: !PERMITTED,
    async fn() {
      await using server = listen(one);
      const result = await deno(
        ...["run", "--allow-net", ...flags, "main.ts"],
        ...["--timeout", "0.5", "--pause", "0.2", server.url, "Hello!"],
      );
      const lines = result.stdout.split("\n").slice(0, -1);
      assertEquals(lines.filter((line) => line !== noise), stdout);
      const [line, ...rest] = result.stderr.split("\n");
      assertEquals(rest, [""], result.stderr);
      assertStringIncludes(line, `${server.url}: `);
      assertMatch(line, stderr);
      assertEquals(printable(line), line);
      assertEquals(result.code, 1);
      assert(result.time < 2500, `It took ${result.time} ms`);
    },
  });

  // What authority is trusted is up to the process.
  if (flags.length > 0) continue;

  Deno.test({
    name: `converse() says so when ${name}`,
    ignore: !PERMITTED,
    async fn() {
      using log = stub(console, "log", () => {});
      await using server = listen(one);
      const options = { messages: ["Hello!"], pause: 200, timeout: 500 };
      const error = await assertRejects(
        () => converse(server.url, options),
        Error,
        `${server.url}: `,
      );
      assertMatch(error.message, stderr);
      const lines = log.calls.map(({ args }) => args[0]);
      assertEquals(lines.filter((line) => line !== noise), stdout);
    },
  });
}

Deno.test("describeClose() names the code, and escapes the reason", () => {
  const describe = (code: number, reason = "") =>
    describeClose({ code, reason });
  assertEquals(describe(1000), "1000 (normal closure)");
  assertEquals(describe(1011, "boom"), '1011 (internal error) "boom"');
  assertEquals(describe(1001, "\n"), '1001 (going away) "\\n"');
  assertEquals(describe(0), "1006 (abnormal closure)");
  assertEquals(describe(2999), "2999 (unregistered)");
  assertEquals(describe(4999), "4999 (private use)");
});

Deno.test("describeRefusal() says what it can where nothing is known", () => {
  assertMatch(describeRefusal("ws://localhost/", ""), /^Could not connect/);
  assertMatch(
    describeRefusal("ws://localhost/", "something \x1b new"),
    /^The opening handshake failed: something \\u001b new$/,
  );
});
