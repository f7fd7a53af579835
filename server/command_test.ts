import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { connect } from "../testing/in_process.ts";
import {
  CERTIFICATES,
  deno,
  runToEnd,
  startEchoServer,
  TLS,
} from "../testing/processes.ts";
import { assertHelp } from "../testing/help.ts";
import { permitted } from "../testing/permitted.ts";
import { HELP, OPTIONS } from "./command.ts";

Deno.test(
  "echo_server.ts prints where it listens, and what to try",
  permitted(),
  async () => {
    await using server = await startEchoServer();
    assertEquals(
      server.line,
      `Listening on ${server.url} (try: deno run --allow-net main.ts ${server.url}, or open ${
        server.url.replace("ws", "http")
      })`,
    );
    assertMatch(server.url, /^ws:\/\/127\.0\.0\.1:[1-9]\d*\/$/);
  },
);

Deno.test("echo_server.ts --hostname listens there", permitted(), async () => {
  const all = "and on all other addresses of this machine";
  for (
    const [hostname, origin, listensOnAll] of [
      // Whichever address the name has first.
      ["localhost", /^ws:\/\/(127\.0\.0\.1|\[::1\]):/, false],
      ["0.0.0.0", /^ws:\/\/127\.0\.0\.1:/, true],
      ["::1", /^ws:\/\/\[::1\]:/, false],
      ["::", /^ws:\/\/\[::1\]:/, true],
    ] as const
  ) {
    await using server = await startEchoServer("--hostname", hostname);
    assertMatch(server.url, origin);
    assertEquals(server.line.includes(all), listensOnAll, server.line);
    // Scripts take the URL from here.
    assertEquals(server.line.split(" ")[2], server.url);
    await using client = await connect(server.url);
    assertEquals(await client.echo("Hello!"), "Hello!");
  }
});

Deno.test(
  "echo_server.ts --help prints its usage, and does nothing else",
  permitted(),
  async () => {
    for (const flag of ["--help", "-h"]) {
      const { code, stdout, stderr } = await deno(
        ...["run", "echo_server.ts", flag, "--port", "x"],
      );
      assertStringIncludes(
        stdout,
        "Usage: deno run --allow-net echo_server.ts",
      );
      assertEquals(stderr, "");
      assertEquals(code, 0);
    }
  },
);

Deno.test(
  "echo_server.ts says when its port is in use",
  permitted(),
  async () => {
    await using server = await startEchoServer();
    const port = `${server.port}`;
    const { code, stdout, stderr } = await deno(
      ...["run", "--allow-net", "echo_server.ts", "--port", port],
    );
    assertEquals(stdout, "");
    assertEquals(
      stderr,
      `Cannot listen on "127.0.0.1" port ${port}: it is in use (choose another with --port, 0 picks a free one)\n`,
    );
    assertEquals(code, 1);
  },
);

const PEM = [
  `${CERTIFICATES}/localhost.pem`,
  `${CERTIFICATES}/localhost.key`,
] as const;

const EMPTY = `${CERTIFICATES}/empty.pem`;
const ENCRYPTED = `${CERTIFICATES}/encrypted.key`;

for (
  const [args, words, wanted = 2] of [
    [["--port", "http"], 'from 0 to 65535, not "http"'],
    [["--port", "65536"], 'from 0 to 65535, not "65536"'],
    [["--port", "-1"], "--port=VALUE"],
    [["--port", "1e3"], 'not "1e3"'],
    [["--port", ""], 'not ""'],
    [["--port"], "'--port <value>'"],
    [["--no-such-flag"], "'--no-such-flag'"],
    [["8000"], "'8000'"],
    [["--hostname", ""], "--hostname takes"],
    [["--drain", "soon"], "--drain takes a number of seconds from 0"],
    [["--max-memory", "255"], 'from 256 to 1048576, not "255"'],
    [["--max-memory", "2000000"], 'not "2000000"'],
    [["--max-memory", "1e3"], 'not "1e3"'],
    [["--max-memory", "1048577"], 'not "1048577"'],
    [["--hostname", "nosuch.invalid"], '"nosuch.invalid"', 1],
    [["--cert", PEM[0]], "--cert and --key go together"],
    [["--key", PEM[1]], "--cert and --key go together"],
    [["--cert", "no.pem", "--key", PEM[1]], 'Cannot read --cert "no.pem"', 1],
    [
      ["--cert", EMPTY, "--key", PEM[1]],
      `Cannot use --cert "${EMPTY}": it is empty`,
      1,
    ],
    [
      ["--cert", PEM[0], "--key", ENCRYPTED],
      `Cannot use --key "${ENCRYPTED}": it is encrypted`,
      1,
    ],
    [["--cert", PEM[0], "--key", "page"], 'Cannot read --key "page"', 1],
    [["--cert", PEM[1], "--key", PEM[1]], "Cannot use --cert with --key", 1],
    [["--cert", PEM[0], "--key", PEM[0]], "Cannot use --cert with --key", 1],
    [
      ["--cert", PEM[0], "--key", PEM[1], "--hostname", "nosuch.invalid"],
      'Cannot listen on "nosuch.invalid"',
      1,
    ],
  ] as [string[], string, number?][]
) {
  Deno.test(
    `echo_server.ts ${args.join(" ")} is one line of error`,
    permitted(),
    async () => {
      const { code, stdout, stderr } = await deno(
        ...["run", "--allow-net", "--allow-read", "echo_server.ts", ...args],
      );
      assertEquals(stdout, "");
      assertStringIncludes(stderr, words);
      assertEquals(stderr.trimEnd().split("\n").length, 1, stderr);
      assertEquals(code, wanted);
    },
  );
}

Deno.test(
  "echo_server.ts prints where it listens with TLS",
  permitted(),
  async () => {
    await using server = await startEchoServer(...TLS);
    assertEquals(
      server.line,
      `Listening on ${server.url} (open ${server.url.replace("wss", "https")})`,
    );
  },
);

Deno.test(
  "echo_server.ts says in one line which permission is missing",
  permitted(),
  async () => {
    for (
      const [flag, ...args] of [
        ["--allow-net", "echo_server.ts"],
        ["--allow-read", "--allow-net", "echo_server.ts", ...TLS],
      ]
    ) {
      const { code, stderr } = await deno("run", ...args);
      assertStringIncludes(stderr, `run again with the ${flag} flag`);
      assertEquals(stderr.trimEnd().split("\n").length, 1, stderr);
      assertEquals(code, 1);
    }
  },
);

Deno.test(
  "echo_server.ts says in one line that it cannot write its output",
  permitted({ ignore: Deno.build.os !== "linux" }),
  async () => {
    const { code, stderr } = await runToEnd("sh", [
      ...["-c", 'exec "$0" run --allow-net echo_server.ts --port 0 >/dev/full'],
      Deno.execPath(),
    ]);
    assertEquals(
      stderr,
      "Cannot write the output: No space left on device (os error 28)\n",
    );
    assertEquals(code, 1);
  },
);

Deno.test(
  "echo_server.ts gives up the permission to read files",
  permitted(),
  async () => {
    const script = `
    import { handler } from "./echo_server.ts";
    import { main } from "./server/command.ts";
    import { Connections } from "./server/connections.ts";
    import { SharedMemory } from "./server/send_queue.ts";
    Object.defineProperty(Deno, "args", { value: ["--port", "0"] });
    const read = () => Deno.permissions.querySync({ name: "read" }).state;
    const before = read();
    await main(handler, new Connections(1), new SharedMemory(1));
    console.log(before, read());
    Deno.exit();
  `;
    const { stdout } = await deno("eval", script);
    assertEquals(stdout.split("\n")[1], "granted prompt");
  },
);

Deno.test("echo_server.ts --help names every option", () => {
  assertHelp(HELP, OPTIONS);
});
