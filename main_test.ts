import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { stub } from "@std/testing/mock";
import { handler } from "./echo_server.ts";
import { converse } from "./main.ts";
import { serve } from "./testing/connections.ts";
import {
  deno,
  main,
  PERMITTED,
  SIX_LINES,
  startEchoServer,
} from "./testing/processes.ts";

/** Echoes without a network, for where there is no permission to use one. */
class EchoingWebSocket extends EventTarget {
  static readonly OPEN = 1;
  readyState = 0;
  binaryType = "blob";

  constructor(readonly url: string) {
    super();
    this.#soon(1, () => new Event("open"));
  }

  send(data: string): void {
    this.#soon(1, () => new MessageEvent("message", { data }));
  }

  close(code: number): void {
    this.readyState = 2;
    this.#soon(3, () => new CloseEvent("close", { code, wasClean: true }));
  }

  /** Events are tasks of their own, as the standard wants it. */
  #soon(readyState: number, event: () => Event): void {
    setTimeout(() => {
      this.readyState = readyState;
      this.dispatchEvent(event());
    }, 0);
  }
}

/** Holds a conversation and returns what it logged, a call a line. */
async function logOf(
  ...args: Parameters<typeof converse>
): Promise<unknown[]> {
  using log = stub(console, "log", () => {});
  await converse(...args);
  return log.calls.map(({ args }) => args.join("|"));
}

Deno.test("converse() logs the conversation, against a stand-in for WebSocket", async () => {
  const { WebSocket } = globalThis;
  Object.assign(globalThis, { WebSocket: EchoingWebSocket });
  try {
    assertEquals(await logOf("ws://stand.in/", { pause: 20 }), SIX_LINES);
  } finally {
    Object.assign(globalThis, { WebSocket });
  }
});

Deno.test({
  name: "converse() logs the conversation with the real server",
  ignore: !PERMITTED,
  async fn() {
    await using server = serve(handler);
    assertEquals(await logOf(server.url, { pause: 100 }), SIX_LINES);
  },
});

Deno.test({
  name: "converse() takes a second between messages unless told otherwise",
  ignore: !PERMITTED,
  async fn() {
    await using server = serve(handler);
    const start = performance.now();
    assertEquals(await logOf(new URL(server.url)), SIX_LINES);
    const time = performance.now() - start;
    assertEquals(Math.floor(time / 1000), 2, `${time} ms`);
  },
});

Deno.test({
  name: "converse() sends messages of one's own, or none",
  ignore: !PERMITTED,
  async fn() {
    await using server = serve(handler);
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
    assertEquals(
      await logOf(server.url, { messages: [] }),
      ["connected", "disconnected"],
    );
  },
});

Deno.test({
  name: "converse() starts its clock when the connection opens",
  ignore: !PERMITTED,
  async fn() {
    // The handshake takes longer than all the pauses together.
    await using server = serve(async (request) => {
      await new Promise((resolve) => setTimeout(resolve, 300));
      return handler(request);
    });
    assertEquals(await logOf(server.url, { pause: 50 }), SIX_LINES);
  },
});

Deno.test({
  name: "converse() is not cut by a timeout shorter than its pauses",
  ignore: !PERMITTED,
  async fn() {
    await using server = serve(handler);
    const options = { pause: 400, timeout: 200 };
    assertEquals(await logOf(server.url, options), SIX_LINES);
  },
});

Deno.test("converse() rejects what is not a URL", async () => {
  const error = await assertRejects(
    () => converse("nonsense"),
    DOMException,
    "nonsense",
  );
  assertEquals(error.name, "SyntaxError");
});

Deno.test({
  name: "main.ts talks to a server of its own",
  ignore: !PERMITTED,
  async fn() {
    const { code, stdout, stderr } = await main();
    assertEquals(stdout, SIX_LINES.join("\n") + "\n");
    assertEquals(stderr, "");
    assertEquals(code, 0);
  },
});

Deno.test({
  name: "main.ts --pause SECONDS talks to a server of its own as fast as that",
  ignore: !PERMITTED,
  async fn() {
    const { code, stdout, stderr, time } = await main("--pause", "0.1");
    assertEquals(stdout, SIX_LINES.join("\n") + "\n");
    assertEquals(stderr, "");
    assertEquals(code, 0);
    assert(time < 2000, `It took ${time} ms`);
  },
});

Deno.test({
  name: "main.ts URL talks to that server",
  ignore: !PERMITTED,
  async fn() {
    await using server = await startEchoServer();
    const { code, stdout, stderr } = await main("--pause", "0.2", server.url);
    assertEquals(stdout, SIX_LINES.join("\n") + "\n");
    assertEquals(stderr, "");
    assertEquals(code, 0);
  },
});

Deno.test({
  name: "main.ts URL MESSAGE... sends those messages",
  ignore: !PERMITTED,
  async fn() {
    await using server = await startEchoServer();
    const { code, stdout, stderr } = await main(
      ...["--pause", "0.1", server.url, "a b", "\u{1b}[31mred", "--", "-c"],
    );
    assertEquals(
      stdout,
      [
        "connected",
        "client -> server: a b",
        "client <- server: a b",
        "client -> server: \\u001b[31mred",
        "client <- server: \\u001b[31mred",
        "client -> server: -c",
        "client <- server: -c",
        "disconnected",
        "",
      ].join("\n"),
    );
    assertEquals(stderr, "");
    assertEquals(code, 0);
  },
});

Deno.test({
  name: "main.ts wss://URL takes a certificate of a private authority",
  ignore: !PERMITTED,
  async fn() {
    await using server = await startEchoServer(
      ...["--cert", "testdata/localhost.pem"],
      ...["--key", "testdata/localhost.key"],
    );
    const { code, stdout, stderr } = await deno(
      ...["run", "--allow-net", "--cert", "testdata/ca.pem", "main.ts"],
      ...["--pause", "0.2", `wss://localhost:${server.port}`],
    );
    assertEquals(stdout, SIX_LINES.join("\n") + "\n");
    assertEquals(stderr, "");
    assertEquals(code, 0);
  },
});

Deno.test({
  name: "main.ts --help prints its usage, and does nothing else",
  ignore: !PERMITTED,
  async fn() {
    for (const flag of ["--help", "-h"]) {
      const { code, stdout, stderr } = await main(flag, "ws://127.0.0.1:1/");
      assertStringIncludes(stdout, "Usage: deno run --allow-net main.ts");
      assertEquals(stderr, "");
      assertEquals(code, 0);
    }
  },
});

Deno.test({
  name: "main.ts without permission says in one line which flag is missing",
  ignore: !PERMITTED,
  async fn() {
    for (const args of [[], ["ws://127.0.0.1:1/"]]) {
      const { code, stdout, stderr } = await deno("run", "main.ts", ...args);
      assertEquals(stdout, "");
      assertStringIncludes(stderr, args[0] ?? "127.0.0.1");
      assertStringIncludes(stderr, "--allow-net");
      assertEquals(stderr.trimEnd().split("\n").length, 1, stderr);
      assertEquals(code, 1);
    }
  },
});

for (
  const [args, words] of [
    [["nonsense"], `"nonsense" is not a WebSocket URL`],
    [["localhost:8000"], "as in ws://localhost:8000"],
    [["https://example.org/a"], "as in wss://example.org/a"],
    [["HTTP://example.org/a"], "as in ws://example.org/a"],
    [["ftp://example.org"], `"ftp://example.org" is not a WebSocket URL`],
    [["ws://example.org/#top"], "fragment"],
    [["ws://"], `"ws://" is not a WebSocket URL`],
    [["ws://example.org:99999"], "is not a WebSocket URL"],
    [["a\nb\u{1b}"], '"a\\nb\\u001b"'],
    [["--no-such-flag"], "'--no-such-flag'"],
    [["--timeout"], "'--timeout <value>'"],
    [["--timeout", "soon"], '"soon"'],
    [["--timeout", "0"], "from 0.001"],
    [["--timeout", "1e9"], '"1e9"'],
    [["--pause", ""], '""'],
    [["--pause=-1"], '"-1"'],
  ] satisfies [string[], string][]
) {
  Deno.test({
    name: `main.ts ${JSON.stringify(args)} is a wrong command`,
    ignore: !PERMITTED,
    async fn() {
      const { code, stdout, stderr } = await main(...args);
      assertEquals(stdout, "");
      assertStringIncludes(stderr, words);
      assertEquals(stderr.trimEnd().split("\n").length, 1, stderr);
      assertEquals(code, 2);
    },
  });
}
