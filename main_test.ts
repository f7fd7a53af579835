import { assert, assertEquals, assertRejects } from "@std/assert";
import { stub } from "@std/testing/mock";
import { handler } from "./echo_server.ts";
import { converse } from "./main.ts";
import { logOf, serveHere } from "./testing/in_process.ts";
import { permitted } from "./testing/permitted.ts";
import { SIX_LINES } from "./testing/processes.ts";
import { EchoingWebSocket, standIn } from "./testing/stand_in.ts";
import {
  acceptHandshake,
  bytes,
  encodeFrame,
  RawServer,
  TEXT,
} from "./testing/raw.ts";
import { setTimeout as delay } from "node:timers/promises";

Deno.test("converse() logs the conversation with a stand-in for WebSocket", async () => {
  using _socket = standIn(EchoingWebSocket);
  assertEquals(await logOf("ws://stand.in/", { pause: 20 }), [
    "connected",
    "client -> server: Hello WebSocket!",
    "client <- server: Hello WebSocket!",
    "client -> server: Hello World!",
    "client <- server: Hello World!",
    "disconnected",
  ]);
});

Deno.test(
  "converse() logs the conversation with the real server",
  permitted(),
  async () => {
    await using server = serveHere(handler);
    assertEquals(await logOf(server.url, { pause: 100 }), SIX_LINES);
  },
);

Deno.test(
  "converse() logs with console.log by default",
  permitted(),
  async () => {
    await using server = serveHere(handler);
    using log = stub(console, "log", () => {});
    await converse(server.url, { pause: 100 });
    assertEquals(log.calls.map(({ args }) => args.join("|")), SIX_LINES);
  },
);

Deno.test(
  "converse() pauses for a second by default",
  permitted(),
  async () => {
    await using server = serveHere(handler);
    const start = performance.now();
    assertEquals(await logOf(new URL(server.url)), SIX_LINES);
    const time = performance.now() - start;
    assert(time >= 1999 && time < 2900, `It took ${time} ms`);
  },
);

Deno.test("converse() without a pause is quick", permitted(), async () => {
  await using server = serveHere(handler);
  const start = performance.now();
  const lines = await logOf(server.url, { pause: 0 });
  assertEquals(lines.toSorted(), SIX_LINES.toSorted());
  assert(performance.now() - start < 900);
});

Deno.test("converse() sends other messages", permitted(), async () => {
  await using server = serveHere(handler);
  assertEquals(
    await logOf(server.url, { messages: ["", "日本語 👩‍💻"], pause: 50 }),
    [
      "connected",
      "client -> server: ",
      "client <- server: ",
      "client -> server: 日本語 👩‍💻",
      "client <- server: 日本語 👩‍💻",
      "disconnected",
    ],
  );
});

Deno.test(
  "converse() sends bytes as a binary message",
  permitted(),
  async () => {
    await using server = serveHere(handler);
    assertEquals(
      await logOf(server.url, { messages: [bytes(0x10, 0xff)], pause: 50 }),
      [
        "connected",
        "client -> server: 2 bytes: 10 ff",
        "client <- server: 2 bytes: 10 ff",
        "disconnected",
      ],
    );
  },
);

Deno.test(
  "converse() without messages stays connected for one pause",
  permitted(),
  async () => {
    await using server = serveHere(handler);
    for (const pause of [400, 0]) {
      const start = performance.now();
      const lines = await logOf(server.url, { messages: [], pause });
      const time = performance.now() - start;
      assertEquals(lines, ["connected", "disconnected"]);
      assert(
        time >= pause - 1 && time < pause + 2000,
        `A pause of ${pause} ms took ${time} ms`,
      );
    }
    const start = performance.now();
    await logOf(server.url, { messages: [] });
    const time = performance.now() - start;
    assert(time >= 999 && time < 3000, `The default pause took ${time} ms`);
  },
);

Deno.test(
  "converse() escapes what it sends and what it gets",
  permitted(),
  async () => {
    await using server = serveHere(handler);
    assertEquals(
      await logOf(server.url, { messages: ["\x1b[2J\n"], pause: 50 }),
      [
        "connected",
        "client -> server: \\u001b[2J\\n",
        "client <- server: \\u001b[2J\\n",
        "disconnected",
      ],
    );
  },
);

Deno.test(
  "converse() does not count the opening handshake as a pause",
  permitted(),
  async () => {
    // The handshake takes longer than all pauses together.
    await using server = serveHere(async (request) => {
      await delay(300);
      return handler(request);
    });
    assertEquals(await logOf(server.url, { pause: 50 }), SIX_LINES);
  },
);

Deno.test(
  "converse() can pause for longer than its timeout",
  permitted(),
  async () => {
    await using server = serveHere(handler);
    const options = { pause: 400, timeout: 200 };
    assertEquals(await logOf(server.url, options), SIX_LINES);
  },
);

Deno.test(
  "converse() logs a greeting after connected, even from the same packet",
  permitted(),
  async () => {
    await using server = new RawServer(async (peer) => {
      const payload = new TextEncoder().encode("Welcome!");
      const greeting = encodeFrame({ opcode: TEXT, payload, masked: false });
      await acceptHandshake(peer, {}, greeting);
      await peer.send({ ...await peer.readFrame(), masked: false });
      peer[Symbol.dispose]();
    });
    assertEquals(
      await logOf(`ws://127.0.0.1:${server.port}/`, {
        messages: [],
        pause: 50,
      }),
      ["connected", "client <- server: Welcome!", "disconnected"],
    );
  },
);

Deno.test("converse() offers subprotocols", permitted(), async () => {
  let offer: string | null = null;
  await using server = serveHere((request) => {
    offer = request.headers.get("sec-websocket-protocol");
    return handler(request);
  });
  const protocols = ["chat.v2", "chat"];
  assertEquals(await logOf(server.url, { protocols, pause: 50 }), SIX_LINES);
  assertEquals(offer, "chat.v2, chat");
});

Deno.test("converse() sends headers", permitted(), async () => {
  let headers = new Headers();
  await using server = serveHere((request) => {
    ({ headers } = request);
    return handler(request);
  });
  const lines = await logOf(server.url, {
    headers: { Authorization: "Bearer secret", origin: "https://example.org" },
    protocols: ["chat"],
    pause: 50,
  });
  assertEquals(lines, SIX_LINES);
  assertEquals(headers.get("authorization"), "Bearer secret");
  assertEquals(headers.get("origin"), "https://example.org");
  assertEquals(headers.get("sec-websocket-protocol"), "chat");
});

Deno.test("converse() rejects a URL or a subprotocol that is not valid", async () => {
  for (const [url, protocol] of [["nonsense", "a"], ["ws://[::1]/", "a b"]]) {
    const error = await assertRejects(
      () => converse(url!, { protocols: [protocol!] }),
      DOMException,
    );
    assertEquals(error.name, "SyntaxError");
  }
});
