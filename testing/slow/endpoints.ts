import { assert, assertEquals, assertMatch } from "@std/assert";
import readme from "../../client/README.md" with { type: "text" };
import source from "./servers/node.ts" with { type: "text" };
import {
  CERTIFICATES,
  type Result,
  ROOT,
  type RunningProcess,
  runToEnd,
  startProcess,
  TRUST,
} from "../processes.ts";
import { permitted } from "../permitted.ts";
import {
  CHROME_FLAGS,
  CHROMIUM,
  findTool,
  freePort,
  install,
} from "./tools.ts";

const MOSQUITTO = findTool("mosquitto", ["/usr/sbin/mosquitto"]);

/** Runs main.ts, and leaves out what it prints of its own to standard error. */
async function main(...args: string[]): Promise<Result> {
  const flags = ["run", "--allow-net", "--allow-read", ...TRUST, "main.ts"];
  const result = await runToEnd(Deno.execPath(), [...flags, ...args]);
  const stderr = result.stderr.replace(/^Error polling connection.*\n/gm, "");
  return { ...result, stderr };
}

/**
 * Runs an example of client/README.md as it is there, but with another URL.
 *
 * @param title The comment above it.
 */
function runExample(title: string, url: string): Promise<Result> {
  const example = readme.split(/^# /m)
    .find((part) => part.startsWith(title));
  assert(example !== undefined, `client/README.md has no example "${title}"`);
  const command = example.split(/\n\n|\n```/)[0]!.slice(title.length)
    .replace(/^.*\n/, "")
    .replace(/"wss:\/\/[^"]*"/, `"${url}"`)
    .replace("deno run", '"$0" run');
  return runToEnd("sh", ["-c", command, Deno.execPath()], {
    env: { TOKEN: "secret" },
  });
}

/** Starts a program, and waits until it has written what names its port. */
async function start(
  program: string,
  args: string[],
  pattern: RegExp,
): Promise<{ process: RunningProcess; found: string }> {
  // Some write it to standard error.
  const process = startProcess(
    "sh",
    ["-c", 'exec "$0" "$@" 2>&1', program]
      .concat(args),
  );
  let text = "";
  for await (const part of process.stdout.values({ preventCancel: true })) {
    text += part;
    const found = pattern.exec(text)?.[1];
    if (found !== undefined) return { process, found };
  }
  throw new Error(`${program} ended: ${text}`);
}

const SLOW = permitted({ timeout: 180_000 });

Deno.test("main.ts tells how servers from npm are", SLOW, async () => {
  await using packages = await install(
    "ws@8.23.0",
    "socket.io@4.8.4",
    "graphql-ws@6.4.2",
    "graphql@16.15.0",
  );
  const { folder } = packages;
  await Deno.writeTextFile(`${folder}/servers.mjs`, source);
  const certificates = new URL(CERTIFICATES, ROOT).pathname;
  const { process, found } = await start(
    "node",
    [`${folder}/servers.mjs`, certificates],
    /^(\{.*\})$/m,
  );
  await using _process = process;
  const ports = JSON.parse(found) as Record<string, number>;
  const at = (name: string, path = "/") =>
    `ws://127.0.0.1:${ports[name]}${path}`;

  for (const title of ["A token", "Basic credentials"]) {
    const { code, stderr } = await runExample(title, at("ws"));
    assertEquals([title, code, stderr], [title, 0, ""]);
  }
  const graphQL = await runExample("GraphQL", at("graphQL", "/graphql"));
  assertEquals([graphQL.code, graphQL.stderr], [0, ""]);
  const path = "/socket.io/?EIO=4&transport=websocket";
  const socketIO = await runExample("socket.io", at("socketIO", path));
  assertEquals([socketIO.code, socketIO.stderr], [0, ""]);

  for (
    const [url, words] of [
      [
        at("refusing"),
        'The server answered HTTP 401 instead of 101: token expired (missing credentials: --header "Authorization: Bearer TOKEN"; or a missing Origin: --header)',
      ],
      [
        at("socketIO"),
        `The server closed the connection without an answer (a wrong port or path, or a missing subprotocol; TLS: try wss://127.0.0.1:${ports.socketIO}/; or nothing behind a proxy or a tunnel)`,
      ],
      [
        at("socketIO", "/socket.io/?EIO=4&transport=carrier-pigeon"),
        "The server answered HTTP 400 instead of 101: Transport unknown",
      ],
      [
        at("socketIO", path.replace("EIO=4", "EIO=3")),
        "The server broke the WebSocket protocol: ",
      ],
      [
        at("graphQL"),
        "The server answered HTTP 400 instead of 101 (a wrong path; a missing subprotocol; or a proxy that drops Upgrade)",
      ],
    ] as const
  ) {
    const { code, stderr } = await main("--pause=0.2", "--timeout=5", url);
    assertEquals([code, stderr.slice(0, url.length + 2 + words.length)], [
      1,
      `${url}: ${words}`,
    ]);
  }

  // A server that wants a client certificate.
  const url = `wss://localhost:${ports.mutual}/`;
  const pair = [
    ...["--client-cert", `${CERTIFICATES}/localhost.pem`],
    ...["--client-key", `${CERTIFICATES}/localhost.key`],
  ];
  const allowed = await main(...pair, "--pause=0.2", url);
  assertEquals([allowed.code, allowed.stderr], [0, ""]);
  const refused = await main(url);
  assertEquals(
    [refused.code, refused.stderr],
    [
      1,
      `${url}: The server wants a client certificate (--client-cert and --client-key)\n`,
    ],
  );
});

Deno.test("main.ts gets an answer from Chromium's DevTools", {
  ...SLOW,
  ignore: SLOW.ignore || CHROMIUM === undefined,
}, async () => {
  const folder = await Deno.makeTempDir();
  const { process, found: url } = await start(
    CHROMIUM!,
    [
      ...CHROME_FLAGS,
      ...["--headless", "--remote-debugging-port=0"],
      `--user-data-dir=${folder}`,
    ],
    /listening on (ws:\S+)\n/,
  );
  await using _process = process;
  const message = '{"id":1,"method":"Browser.getVersion"}';
  const { code, stdout, stderr } = await main(
    ...["--expect", '"product"', url, message],
  );
  assertEquals([code, stderr], [0, ""], stdout);
  const page = await main("--header", "Origin: http://a", url, message);
  assertMatch(page.stderr, /HTTP 403 instead of 101: .*--remote-allow-origins/);
  process.kill("SIGKILL");
  await process.ended;
  await Deno.remove(folder, { recursive: true }).catch(() => {});
});

Deno.test("main.ts gets an answer from node --inspect", SLOW, async () => {
  const { process, found: url } = await start(
    "node",
    ["--inspect=127.0.0.1:0", "-e", "setInterval(() => {}, 1000)"],
    /listening on (ws:\S+)\n/,
  );
  await using _process = process;
  const message =
    '{"id":1,"method":"Runtime.evaluate","params":{"expression":"1"}}';
  const { code, stderr } = await main("--pause=0", url, message);
  assertEquals([code, stderr], [0, ""]);
});

Deno.test("main.ts gets a CONNACK from mosquitto", {
  ...SLOW,
  ignore: SLOW.ignore || MOSQUITTO === undefined,
}, async () => {
  const folder = await Deno.makeTempDir();
  const port = freePort();
  await Deno.writeTextFile(
    `${folder}/mosquitto.conf`,
    `listener ${freePort()} 127.0.0.1
listener ${port} 127.0.0.1
protocol websockets
allow_anonymous true
`,
  );
  const { process } = await start(
    MOSQUITTO!,
    ["-c", `${folder}/mosquitto.conf`],
    /(mosquitto version \S+ running)/,
  );
  await using _process = process;
  const url = `ws://127.0.0.1:${port}/mqtt`;
  const { code, stdout, stderr } = await runExample("MQTT", url);
  assertEquals(stdout.split("\n"), [
    "connected",
    "client -> server: 14 bytes: 10 0c 00 04 4d 51 54 54 04 02 00 3c 00 00",
    "client <- server: 4 bytes: 20 02 00 00",
    "disconnected",
    "",
  ], stderr);
  assertEquals([code, stderr], [0, ""]);
  await Deno.remove(folder, { recursive: true });
});
