import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { UsageError } from "../shared/exit.ts";
import { assertHelp } from "../testing/help.ts";
import {
  CERTIFICATES,
  deno,
  main,
  runToEnd,
  SIX_LINES,
  startEchoServer,
  TLS,
  TRUST,
} from "../testing/processes.ts";
import {
  acceptHandshake,
  answers,
  bytes,
  encodeAnswer,
  encodeFrame,
  RawServer,
  TEXT,
} from "../testing/raw.ts";
import { permitted } from "../testing/permitted.ts";
import { HELP, OPTIONS, readCommandLine } from "./command.ts";

const OUTPUT = SIX_LINES.join("\n") + "\n";

Deno.test("main.ts talks to a server of its own", permitted(), async () => {
  const { code, stdout, stderr, time } = await main();
  assertEquals(stdout, OUTPUT);
  assertEquals(stderr, "");
  assertEquals(code, 0);
  assert(time >= 2000, `It took ${time} ms`);
});

Deno.test("main.ts URL talks to that server", permitted(), async () => {
  await using server = await startEchoServer();
  for (const url of [server.url, server.url.replace("ws", "http")]) {
    const { code, stdout, stderr } = await main("--pause", "0.2", url);
    assertEquals(stdout, OUTPUT);
    assertEquals(stderr, "");
    assertEquals(code, 0);
  }
});

Deno.test(
  "main.ts URL MESSAGE... sends those messages",
  permitted(),
  async () => {
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
);

Deno.test(
  "main.ts wss://URL trusts a private authority with --cert",
  permitted(),
  async () => {
    await using server = await startEchoServer(...TLS);
    const { code, stdout, stderr } = await deno(
      ...["run", "--allow-net", ...TRUST, "main.ts"],
      ...["--pause", "0.2", `wss://localhost:${server.port}`],
    );
    assertEquals(stdout, OUTPUT);
    assertEquals(stderr, "");
    assertEquals(code, 0);
  },
);

Deno.test(
  "main.ts says in one line that --cert names no file",
  permitted(),
  async () => {
    for (const url of ["wss://127.0.0.1:1/", "ws://127.0.0.1:1/"]) {
      const { code, stderr } = await deno(
        ...["run", "--allow-net", "--cert", "no.pem", "main.ts", url],
      );
      assertStringIncludes(stderr, `${url}: The file given with --cert`);
      assertEquals(stderr.trimEnd().split("\n").length, 1, stderr);
      assertEquals(code, 1);
    }
  },
);

Deno.test(
  "main.ts --protocol NAME offers subprotocols",
  permitted(),
  async () => {
    await using server = await startEchoServer();
    const offer = ["--protocol", "chat", "--protocol=mqtt", "--pause", "0.2"];
    const { code, stdout, stderr } = await main(...offer, server.url);
    assertEquals([code, stdout, stderr], [0, OUTPUT, ""]);

    await using silent = new RawServer((peer) => acceptHandshake(peer));
    const url = `ws://127.0.0.1:${silent.port}/`;
    const refused = await main(...offer, url);
    assertEquals(refused.code, 1);
    assertEquals(refused.stdout, "connected\n");
    assertEquals(
      refused.stderr,
      `${url}: The server chose none of the subprotocols that were offered\n`,
    );
  },
);

Deno.test(
  "main.ts --header sends headers, and shows no value",
  permitted(),
  async () => {
    let head = "";
    await using server = new RawServer(async (peer) => {
      head = await peer.readHead();
      // It repeats what it was sent.
      const headers = {
        Location: head.split("\r\n").find((line) => /auth/i.test(line))!,
      };
      await peer.write(
        encodeAnswer(
          403,
          headers,
          [
            "GET / HTTP/1.1",
            ...head.split("\r\n").filter((line) => /auth/i.test(line)),
          ].join(" "),
        ),
      );
      peer[Symbol.dispose]();
    });
    const url = `ws://127.0.0.1:${server.port}/`;
    const { code, stdout, stderr } = await main(
      ...["--header", "Authorization: Bearer secret", "--header=x-a:b:c"],
      ...["--header", "cookie: a=b", "--header", "Cookie:  c=d ", url],
    );
    assertEquals([code, stdout], [1, "disconnected\n"]);
    assertEquals(
      stderr,
      `${url}: The server answered HTTP 403 to authorization: Bearer … instead of 101: GET / HTTP/1.1 authorization: Bearer … (credentials that are not accepted; a missing Origin: --header; or a wrong path)\n`,
    );
    const lines = head.toLowerCase().split("\r\n");
    assert(lines.includes("authorization: bearer secret"), head);
    assert(lines.includes("x-a: b:c"), head);
    assert(lines.includes("cookie: a=b; c=d"), head);
  },
);

Deno.test(
  "main.ts --connect-only sends nothing, and stays connected for --pause",
  permitted(),
  async () => {
    await using server = await startEchoServer();
    const { code, stdout, stderr, time } = await main(
      ...["--connect-only", "--pause", "1.5", server.url],
    );
    assertEquals([code, stdout, stderr], [0, "connected\ndisconnected\n", ""]);
    assert(time >= 1500, `It took ${time} ms`);
  },
);

Deno.test(
  "main.ts --expect TEXT waits for a message that contains it",
  permitted(),
  async () => {
    await using server = await startEchoServer();
    const expect = ["--expect", "World", "--pause", "0"];
    const { code, stderr } = await main(...expect, server.url);
    assertEquals([code, stderr], [0, ""]);

    const other = ["--expect=ack", "--pause=0.2", "--timeout=0.5", server.url];
    const failed = await main(...other);
    assertEquals(
      failed.stderr,
      `${server.url}: No message contained "ack" within 0.5 s (timed out); the last of 2 that came: Hello World!\n`,
    );
    assertEquals(failed.code, 1);
  },
);

Deno.test("main.ts --hex sends bytes", permitted(), async () => {
  await using server = await startEchoServer();
  const { code, stdout, stderr } = await main(
    ...["--hex", "--pause", "0.2", server.url, "10 0c FF", "48656c6c6f"],
    ...["--expect", "Hello"],
  );
  assertEquals(stdout.split("\n"), [
    "connected",
    "client -> server: 3 bytes: 10 0c ff",
    "client <- server: 3 bytes: 10 0c ff",
    "client -> server: 5 bytes: 48 65 6c 6c 6f",
    "client <- server: 5 bytes: 48 65 6c 6c 6f",
    "disconnected",
    "",
  ]);
  assertEquals([code, stderr], [0, ""]);
});

Deno.test(
  "main.ts needs --allow-read for a client certificate, and says so",
  permitted(),
  async () => {
    const { code, stderr } = await main(
      ...["--client-cert", `${CERTIFICATES}/localhost.pem`],
      ...[
        "--client-key",
        `${CERTIFICATES}/localhost.key`,
        "wss://127.0.0.1:1/",
      ],
    );
    assertStringIncludes(stderr, "Cannot read --client-cert");
    assertStringIncludes(stderr, "--allow-read");
    assertEquals(stderr.trimEnd().split("\n").length, 1, stderr);
    assertEquals(code, 1);
  },
);

Deno.test(
  "main.ts says in one line what is wrong with a client certificate",
  permitted(),
  async () => {
    const file = (name: string) => `${CERTIFICATES}/${name}`;
    for (
      const [cert, key, words] of [
        ["no.pem", file("localhost.key"), 'Cannot read --client-cert "no.pem"'],
        [
          file("localhost.pem"),
          file("encrypted.key"),
          `Cannot use --client-key "${file("encrypted.key")}": it is encrypted`,
        ],
        [
          file("localhost.pem"),
          file("localhost.pem"),
          "Cannot use --client-cert with --client-key: ",
        ],
      ] as const
    ) {
      const { code, stderr } = await deno(
        ...["run", "--allow-net", "--allow-read", "main.ts", "wss://a/"],
        ...["--client-cert", cert, "--client-key", key],
      );
      assertStringIncludes(stderr, words);
      assertEquals(stderr.trimEnd().split("\n").length, 1, stderr);
      assertEquals(code, 1);
    }
  },
);

Deno.test(
  "main.ts asks for the permission for both ends at once",
  permitted(),
  async () => {
    const script = `
    Deno.permissions.request = (descriptor) => {
      console.log(JSON.stringify(descriptor));
      return Promise.resolve();
    };
    const { main } = await import("./client/command.ts");
    await main(() => Promise.resolve());
  `;
    const { stdout } = await deno("eval", script);
    assertEquals(stdout, '{"name":"net","host":"127.0.0.1"}\n');
  },
);

Deno.test(
  "main.ts says in one line that it needs a newer Deno",
  permitted(),
  async () => {
    const line =
      "This needs Deno 2.9.5 or later: run deno upgrade (with only Node.js: npx -y deno task start, or serve)\n";
    for (
      const [path, version, isNewEnough] of [
        ["./client/command.ts", "1.46.3", false],
        ["./client/command.ts", "2.8.9", false],
        ["./client/command.ts", "2.9.4", false],
        ["./server/command.ts", "2.9.4", false],
        ["./client/command.ts", "2.9.5", true],
        ["./client/command.ts", "2.10.0-rc.1", true],
        ["./client/command.ts", "3.0.0", true],
      ] as const
    ) {
      const { code, stdout, stderr } = await deno(
        "eval",
        `const version = { deno: "${version}" };
      Object.defineProperty(Deno, "version", { value: version });
      const { main } = await import("${path}");
      await main(() => console.log("It runs"));`,
      );
      assertEquals(
        [code, stdout, stderr],
        isNewEnough ? [0, "It runs\n", ""] : [1, "", line],
        version,
      );
    }
  },
);

Deno.test(
  "main.ts --help prints its usage, and does nothing else",
  permitted(),
  async () => {
    for (const flag of ["--help", "-h"]) {
      const { code, stdout, stderr } = await main(flag, "ws://127.0.0.1:1/");
      assertStringIncludes(stdout, "Usage: deno run --allow-net main.ts");
      assertEquals(stderr, "");
      assertEquals(code, 0);
    }
  },
);

Deno.test(
  "main.ts says in one line what went wrong, and exits with 1",
  permitted(),
  async () => {
    const { code, stdout, stderr } = await main("ws://me:secret@127.0.0.1:1/");
    assertEquals(stdout, "disconnected\n");
    assertEquals(
      stderr,
      "ws://127.0.0.1:1/: Connection refused or host unreachable (is the server running, and the proxy if HTTP_PROXY is set?)\n",
    );
    assertEquals(code, 1);
  },
);

Deno.test(
  "main.ts --timeout SECONDS ends a conversation that is stuck",
  permitted(),
  async () => {
    await using server = new RawServer(async (peer) => {
      await acceptHandshake(peer);
      await peer.drain();
    });
    const url = `ws://127.0.0.1:${server.port}/`;
    const { code, stdout, stderr, time } = await main(
      ...["--pause", "0", "--timeout", "0.3", url, "Hello!"],
    );
    assertEquals(stdout, "connected\nclient -> server: Hello!\n");
    assertEquals(
      stderr,
      `${url}: Only 0 of 1 messages came back within 0.3 s (timed out; it may not echo: --expect or --connect-only)\n`,
    );
    assertEquals(code, 1);
    assert(time < 5000, `It took ${time} ms`);
  },
);

Deno.test(
  "main.ts ends in time while a server floods it",
  permitted(),
  async () => {
    await using server = new RawServer(async (peer) => {
      await acceptHandshake(peer);
      const frame = { opcode: TEXT, payload: bytes(65), masked: false };
      const flood = new Uint8Array(3000).map((_, i) =>
        encodeFrame(frame)[i % 3]!
      );
      for (;;) await peer.write(flood);
    });
    const url = `ws://127.0.0.1:${server.port}/`;
    const { code, stderr, time } = await main(
      ...["--timeout", "0.5", "--pause", "0", url],
    );
    assertEquals(
      stderr,
      `${url}: No answer to the close within 0.5 s (timed out)\n`,
    );
    assertEquals(code, 1);
    assert(time < 10_000, `It took ${time} ms`);
  },
);

Deno.test(
  "main.ts without permission says in one line which flag is missing",
  permitted(),
  async () => {
    for (
      const args of [[], ["ws://me:secret@127.0.0.1:1/"], ["ws://127.0.0.1:1/"]]
    ) {
      const { code, stdout, stderr } = await deno("run", "main.ts", ...args);
      assertEquals(stdout, "");
      assertStringIncludes(
        stderr,
        args.length > 0 ? "127.0.0.1:1/: " : "127.0.0.1",
      );
      assertStringIncludes(stderr, "--allow-net");
      assertEquals(stderr.includes("secret"), false);
      assertEquals(stderr.trimEnd().split("\n").length, 1, stderr);
      assertEquals(code, 1);
    }
  },
);

Deno.test(
  "main.ts names the proxy that keeps it from its own server",
  permitted(),
  async () => {
    for (const name of ["HTTP_PROXY", "ALL_PROXY"]) {
      const { code, stderr } = await runToEnd(
        Deno.execPath(),
        ["run", "--allow-net", "main.ts"],
        { env: { [name]: "http://127.0.0.1:1/", NO_PROXY: "" } },
      );
      assertStringIncludes(stderr, "NO_PROXY=127.0.0.1");
      assertEquals(stderr.trimEnd().split("\n").length, 1, stderr);
      assertEquals(code, 1);
    }
  },
);

Deno.test(
  "main.ts says that a proxy wants credentials",
  permitted(),
  async () => {
    await using proxy = new RawServer(answers(encodeAnswer(407)));
    for (const url of ["ws://nosuch.invalid/", "wss://nosuch.invalid/"]) {
      const { stderr } = await runToEnd(
        Deno.execPath(),
        ["run", "--allow-net", "main.ts", url],
        {
          env: {
            HTTP_PROXY: `http://127.0.0.1:${proxy.port}/`,
            HTTPS_PROXY: `http://127.0.0.1:${proxy.port}/`,
            NO_PROXY: "",
          },
        },
      );
      assertStringIncludes(
        stderr,
        url.startsWith("ws:")
          ? `${url}: The server answered HTTP 407 instead of 101 (the proxy wants credentials)`
          : `${url}: The proxy wants credentials: HTTP 407 (its`,
      );
    }
  },
);

Deno.test(
  "main.ts says in one line that it cannot write its output",
  permitted({ ignore: Deno.build.os !== "linux" }),
  async () => {
    const { code, stderr } = await runToEnd("sh", [
      ...["-c", 'exec "$0" run --allow-net main.ts >/dev/full'],
      Deno.execPath(),
    ]);
    assertEquals(
      stderr,
      "Cannot write the output: No space left on device (os error 28)\n",
    );
    assertEquals(code, 1);
  },
); // only Linux has /dev/full

Deno.test("main.ts keeps the stack trace of a bug", permitted(), async () => {
  const script = `
    console.log = () => { null.property };
    const { main } = await import("./client/command.ts");
    const { converse } = await import("./main.ts");
    await main(converse);
  `;
  const { code, stderr } = await deno("eval", script);
  assertStringIncludes(stderr, "TypeError");
  assertStringIncludes(stderr, "main.ts:");
  assertEquals(code, 1);
});

const HINT = "(wanted: ws://… or wss://…)";

for (
  const [args, words] of [
    [
      ["nonsense"],
      `"nonsense" is not a WebSocket URL: Invalid URL: 'nonsense' ${HINT}`,
    ],
    [
      ["localhost:8000"],
      `"localhost:8000" is not a WebSocket URL: Only ws & wss schemes are allowed in a WebSocket URL: received localhost: ${HINT}`,
    ],
    [["ws://example.org/#top"], HINT],
    [
      ["ws://me:secret@example.org:99999"],
      `"ws://example.org:99999" is not a WebSocket URL: Invalid URL: 'ws://example.org:99999' ${HINT}`,
    ],
    [["a\nb\u{1b}"], '"a\\nb\\u001b"'],
    [
      ["--protocol", "a b", "ws://127.0.0.1/"],
      "--protocol takes a token, and each token once: Invalid protocol value",
    ],
    [
      ["--protocol=a", "--protocol=a", "ws://127.0.0.1/"],
      "--protocol takes a token, and each token once: Cannot supply",
    ],
    [[""], '"" is not a WebSocket URL'],
  ] as [string[], string][]
) {
  Deno.test(
    `main.ts ${JSON.stringify(args)} is a wrong command`,
    permitted(),
    async () => {
      const { code, stdout, stderr } = await main(...args);
      assertEquals(stdout, "");
      assertStringIncludes(stderr, words);
      assertEquals(stderr.includes("secret"), false);
      assertEquals(stderr.trimEnd().split("\n").length, 1, stderr);
      assertEquals(code, 2);
    },
  );
}

Deno.test("readCommandLine() says in one line what is wrong", async () => {
  for (
    const [args, words] of [
      [["--no-such-flag"], "'--no-such-flag'"],
      [["--timeout", "soon", "ws://a/"], '"soon"'],
      [["--timeout", "0", "ws://a/"], "from 0.001"],
      [["--pause=-1", "ws://a/"], '"-1"'],
      [["--pause", "-1", "ws://a/"], "is written as --pause=VALUE"],
      [["ws://a/", "-hello"], 'Unknown option "-hello"; a message that'],
      [
        ["ws://a/", "hello", "wss://me:secret@b/"],
        'Only one URL at a time (to send "wss://b/" as a message, put -- before it)',
      ],
      [["--connect-only", "ws://a/", "hello"], "--connect-only sends nothing"],
      [["--expect", "a"], "--expect needs a URL (is the variable"],
      [["--header", "A: secret"], "--header needs a URL"],
      [["--protocol", "a"], "--protocol needs a URL"],
      [["--connect-only", "--pause", "0"], "--connect-only needs a URL"],
      [["--client-cert", "a"], "--client-cert needs a URL"],
      [["--hex"], "--hex needs a URL"],
      [["--hex", "ws://a/"], "--hex needs a MESSAGE"],
      [
        ["--hex", "ws://a/", "10", "1g\u001b"],
        '--hex takes bytes of two digits, such as "10 0c", not "1g\\u001b"',
      ],
      [["--hex", "ws://a/", "100"], 'not "100"'],
      [
        ["--client-key", "a", "wss://a/"],
        "--client-cert and --client-key go together",
      ],
      [
        ["--header", "Sec-WebSocket-Protocol: a", "ws://a/"],
        "--header: use --protocol",
      ],
      [["--header", "secret", "ws://a/"], "--header: a header needs a name"],
      [["--header", "Host: secret", "ws://a/"], "the header Host is set by"],
      [
        ["--header", "A: secret\nB: c", "ws://a/"],
        "the value of the header A has a line break",
      ],
      [["--pause", "0"], "--pause needs a URL (is the variable"],
      [["--timeout=5"], "--timeout needs a URL (is the variable"],
    ] as [string[], string][]
  ) {
    const { message } = await assertRejects(
      () => readCommandLine(args),
      UsageError,
      words,
    );
    assertEquals(/secret|\n/.test(message), false, message);
  }
});

Deno.test("readCommandLine() reads what to do", async () => {
  assertEquals(await readCommandLine([]), { options: {} });
  assertEquals(await readCommandLine(["--help", "--pause", "x"]), undefined);
  const command = await readCommandLine(
    ["--hex", "--pause=2", "--header", "A: b", "ws://a/", "--", "0c"],
  );
  assertEquals(command, {
    url: "ws://a/",
    options: {
      protocols: undefined,
      headers: { a: "b" },
      expect: undefined,
      pause: 2000,
      timeout: 10_000,
      client: undefined,
      messages: [bytes(0x0c)],
    },
  });
});

Deno.test("main.ts --help names every option", () => {
  assertHelp(HELP, OPTIONS);
});
