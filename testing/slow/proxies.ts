import http2 from "node:http2";
import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { handler } from "../../echo_server.ts";
import { serveHere } from "../in_process.ts";
import {
  CERTIFICATES,
  deno,
  ROOT,
  type RunningProcess,
  runToEnd,
  type ServerProcess,
  SIX_LINES,
  startEchoServer,
  startProcess,
  startServer,
  TRUST,
} from "../processes.ts";
import { RawPeer, RawServer } from "../raw.ts";
import { permitted } from "../permitted.ts";
import { findTool, freePort } from "./tools.ts";
import { setTimeout as delay } from "node:timers/promises";

const HAPROXY = findTool("haproxy", ["/usr/sbin/haproxy"]);
const NGINX = findTool("nginx", ["/usr/sbin/nginx"]);

/** Waits until a process accepts connections on a port. */
async function untilOpen(port: number, process: RunningProcess): Promise<void> {
  let ended = false;
  process.ended.then(() => ended = true);
  for (;;) {
    if (ended) throw new Error((await process.ended).stderr);
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return;
    } catch {
      await delay(20);
    }
  }
}

/**
 * Runs the project's configuration of HAProxy in front of two servers, and lets
 * one address open so many connections in 10 s.
 */
async function startHAProxy(
  [one, two]: ServerProcess[],
  newPer10s = 1_000_000,
) {
  const folder = await Deno.makeTempDir();
  const pem = await Promise.all(
    ["localhost.pem", "localhost.key"].map((name) =>
      Deno.readTextFile(new URL(`${CERTIFICATES}/${name}`, ROOT))
    ),
  );
  await Deno.writeTextFile(`${folder}/site.pem`, pem.join(""));
  const port = freePort();
  const process = startProcess(HAPROXY!, ["-f", "deploy/haproxy.cfg"], {
    env: {
      BIND: `127.0.0.1:${port}`,
      CERTIFICATE: `${folder}/site.pem`,
      SERVER_1: `127.0.0.1:${one!.port}`,
      SERVER_2: `127.0.0.1:${two!.port}`,
      NEW_PER_10_S: `${newPer10s}`,
    },
  });
  await untilOpen(port, process);
  return {
    port,
    url: `wss://localhost:${port}/`,
    async [Symbol.asyncDispose]() {
      await process[Symbol.asyncDispose]();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

/** Returns how many TCP connections to its port a server has. */
async function connectionsOf({ port }: ServerProcess): Promise<number> {
  const table = await Deno.readTextFile("/proc/net/tcp");
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  // The local address has this port, and the state is 01, ESTABLISHED.
  const row = new RegExp(`^ *\\d+: \\w+:${hex} \\w+:\\w+ 01 `, "gm");
  return table.match(row)?.length ?? 0;
}

Deno.test(
  "deploy/haproxy.cfg serves the conversation and the page over TLS",
  permitted({ ignore: HAPROXY === undefined }),
  async () => {
    await using one = await startEchoServer();
    await using two = await startEchoServer();
    await using proxy = await startHAProxy([one, two]);
    const { code, stdout, stderr } = await deno(
      ...[
        "run",
        "--allow-net",
        ...TRUST,
        "main.ts",
        "--pause",
        "0.2",
        proxy.url,
      ],
    );
    assertEquals([stderr, code], ["", 0]);
    assertEquals(stdout, SIX_LINES.join("\n") + "\n");

    const script = `
    const response = await fetch("${proxy.url.replace("wss", "https")}", {
      headers: { accept: "text/html" },
    });
    console.log(response.status, await response.text());
  `;
    const page = await deno("eval", ...TRUST, script);
    assertEquals(page.stderr, "");
    assertStringIncludes(page.stdout, "200 <!DOCTYPE html>");
  },
);

Deno.test(
  "deploy/haproxy.cfg shares the connections out",
  permitted({ ignore: HAPROXY === undefined }),
  async () => {
    await using one = await startEchoServer();
    await using two = await startEchoServer();
    await using proxy = await startHAProxy([one, two]);
    const script = `
    const sockets = [];
    for (let i = 0; i < 40; i++) {
      const socket = new WebSocket("${proxy.url}");
      sockets.push(socket);
      await new Promise((resolve) => socket.onopen = resolve);
    }
    console.log("${proxy.url}");
  `;
    await using _clients = await startServer(
      Deno.execPath(),
      ["eval", ...TRUST, script],
    );
    const counts = [await connectionsOf(one), await connectionsOf(two)];
    assert(Math.min(...counts) >= 20, `${counts}`);
  },
);

Deno.test(
  "deploy/haproxy.cfg loses no conversation while the servers restart",
  permitted({ ignore: HAPROXY === undefined }),
  async () => {
    const drain = ["--drain", "30"];
    const servers = [
      await startEchoServer(...drain),
      await startEchoServer(...drain),
    ];
    await using stack = new AsyncDisposableStack();
    const proxy = stack.use(await startHAProxy(servers));
    const clients = stack.use(
      await startServer(
        Deno.execPath(),
        ["run", "--allow-net", ...TRUST, "testing/slow/loop.ts", proxy.url],
      ),
    );
    for (const i of [0, 1, 0, 1]) {
      // It has work to do when it is stopped.
      while (await connectionsOf(servers[i]!) === 0) {
        await delay(50);
      }
      const { port } = servers[i]!;
      servers[i]!.kill("SIGTERM");
      const { code, stderr } = await servers[i]!.ended;
      assertEquals([code, stderr], [0, ""]);
      servers[i] = await startEchoServer(...drain, "--port", `${port}`);
      // It serves again before the other one stops.
      while (await connectionsOf(servers[i]!) === 0) {
        await delay(50);
      }
    }
    clients.kill("SIGTERM");
    const { stdout } = await clients.ended;
    const { succeeded, failures } = JSON.parse(stdout.split("\n")[1]!);
    assertEquals(failures, []);
    assert(succeeded > 100, `${succeeded} conversations`);
    for (const server of servers) await server[Symbol.asyncDispose]();
  },
);

Deno.test(
  "deploy/haproxy.cfg drops 1,000 handshakes that are never finished",
  permitted({ ignore: HAPROXY === undefined }),
  async () => {
    await using one = await startEchoServer();
    await using two = await startEchoServer();
    await using proxy = await startHAProxy([one, two]);
    const start = performance.now();
    await Promise.all(Array.from({ length: 1000 }, async (_, i) => {
      using peer = await RawPeer.connect(proxy.port);
      // The beginning of a TLS record, or nothing.
      if (i % 2 === 0) await peer.write(new Uint8Array([0x16, 3, 1]));
      await peer.drain();
    }));
    const time = performance.now() - start;
    assert(time < 15_000, `It took ${time} ms`);
  },
);

Deno.test(
  "deploy/haproxy.cfg limits the connections of one address",
  permitted({ ignore: HAPROXY === undefined }),
  async () => {
    await using one = await startEchoServer();
    await using two = await startEchoServer();
    await using proxy = await startHAProxy([one, two]);
    const peers: RawPeer[] = [];
    let refused = 0;
    for (let i = 0; i < 2100; i++) {
      try {
        const peer = await RawPeer.connect(proxy.port);
        peers.push(peer);
        peer.drain().then(() => refused++, () => {});
      } catch {
        refused++; // it was reset before connect() returned
      }
    }
    while (refused < 100) await delay(10);
    assertEquals(refused, 100);
    for (const peer of peers) peer[Symbol.dispose]();
  },
);

Deno.test(
  "deploy/haproxy.cfg limits how many connections one address opens in 10 s",
  permitted({ ignore: HAPROXY === undefined }),
  async () => {
    await using one = await startEchoServer();
    await using two = await startEchoServer();
    await using proxy = await startHAProxy([one, two], 20);
    const attempt = async () =>
      (await deno(
        ...["run", "--allow-net", ...TRUST, "testing/verdicts.ts"],
        ...Array.from({ length: 15 }, () => proxy.url),
      )).stdout;
    const good = JSON.stringify(Array(15).fill(""));
    assertEquals(await attempt(), good);
    assertEquals(await attempt() === good, false, "there is no limit");
  },
);

Deno.test(
  "deploy/haproxy.cfg tries another server when one hangs",
  permitted({ ignore: HAPROXY === undefined }),
  async () => {
    await using one = await startEchoServer();
    await using two = await startEchoServer();
    await using proxy = await startHAProxy([one, two]);
    one.kill("SIGSTOP");
    const { stdout } = await deno(
      ...["run", "--allow-net", ...TRUST, "testing/verdicts.ts"],
      ...Array.from({ length: 10 }, () => proxy.url),
    );
    one.kill("SIGCONT");
    assertEquals(JSON.parse(stdout), Array(10).fill(""));
  },
);

Deno.test(
  "deploy/haproxy.cfg limits the WebSockets of one address over HTTP/2",
  permitted({ ignore: HAPROXY === undefined }),
  async () => {
    await using one = await startEchoServer();
    await using two = await startEchoServer();
    await using proxy = await startHAProxy([one, two]);
    const origin = `https://localhost:${proxy.port}`;
    const ca = await Deno.readTextFile(new URL(`${CERTIFICATES}/ca.pem`, ROOT));
    /** Opens WebSockets over one connection (RFC 8441), and returns the statuses. */
    const openMany = async (count: number) => {
      const session = http2.connect(origin, { ca });
      await new Promise((resolve) => session.once("remoteSettings", resolve));
      const statuses = await Promise.all(
        Array.from(
          { length: count },
          () =>
            new Promise<number>((resolve, reject) => {
              const stream = session.request({
                ":method": "CONNECT",
                ":protocol": "websocket",
                ":path": "/",
                ":scheme": "https",
                ":authority": `localhost:${proxy.port}`,
                "sec-websocket-version": "13",
              });
              stream.on("response", (headers) => resolve(headers[":status"]!));
              stream.on("error", reject);
            }),
        ),
      );
      return { session, statuses };
    };
    const all = [];
    for (let i = 0; i < 22; i++) {
      all.push(await openMany(100));
    }
    const statuses = all.flatMap(({ statuses }) => statuses);
    assertEquals(statuses.filter((status) => status === 200).length, 2000);
    assertEquals(statuses.filter((status) => status === 429).length, 200);
    await Promise.all(all.map(({ session }) =>
      new Promise((resolve) => {
        session.on("error", () => {});
        session.on("close", resolve);
        session.destroy();
      })
    ));
  },
);

const NGINX_VERSION = /(?<=\(nginx)\/[\d.]+/;

/** What nginx answers on a path, and what must be said about it. */
const ANSWERS: [directive: string, verdict: string][] = [
  [
    "return 301 https://example.org/",
    "HTTP 301 to https://example.org/ instead of 101",
  ],
  [
    "return 401",
    'HTTP 401 instead of 101 (missing credentials: --header "Authorization: Bearer TOKEN"; or a missing Origin: --header)',
  ],
  [
    "return 403",
    'HTTP 403 instead of 101 (missing credentials: --header "Authorization: Bearer TOKEN"; a missing Origin: --header; or a wrong path)',
  ],
  [
    "return 404",
    "HTTP 404 instead of 101 (a wrong path; a missing subprotocol; or a proxy that drops Upgrade)",
  ],
  [
    `default_type text/plain; return 400 "Subprotocol chat.v2 required"`,
    "HTTP 400 instead of 101: Subprotocol chat.v2 required",
  ],
  [
    `default_type application/json; return 429 '{"error": "slow down"}'`,
    'HTTP 429 instead of 101: {"error": "slow down"} (too many requests: wait)',
  ],
  [
    "proxy_pass http://127.0.0.1:1",
    "HTTP 502 instead of 101 (a server behind the proxy that is down: look there)",
  ],
];

for (const listen of ["", " ssl", " ssl http2"]) {
  Deno.test(
    `converse() tells what nginx answers with "listen …${listen}"`,
    permitted({ ignore: NGINX === undefined }),
    async () => {
      const folder = await Deno.makeTempDir();
      const port = freePort();
      const file = (name: string) =>
        new URL(`${CERTIFICATES}/${name}`, ROOT).pathname;
      // A reverse proxy that does not pass Upgrade on.
      const echo = serveHere(handler);
      const locations = ANSWERS.map(([directive], i) =>
        `location /${i} { ${directive}; }`
      );
      await Deno.writeTextFile(
        `${folder}/nginx.conf`,
        `daemon off; master_process off; pid ${folder}/pid; error_log /dev/null;
      events {}
      http {
        access_log off;
        server {
          listen 127.0.0.1:${port}${listen};
          ${
          listen === "" ? "" : `ssl_certificate ${file("localhost.pem")};
          ssl_certificate_key ${file("localhost.key")};`
        }
          ${locations.join("\n")}
          location /upgrade { proxy_pass http://127.0.0.1:${echo.port}/; }
        }
      }`,
      );
      await using process = startProcess(NGINX!, [
        ...["-p", folder, "-c", `${folder}/nginx.conf`],
      ]);
      await untilOpen(port, process);
      const origin = `${listen === "" ? "ws" : "wss"}://localhost:${port}`;
      const urls = [...ANSWERS.keys().map((i) => `${origin}/${i}`)]
        .concat(`${origin}/upgrade`);
      const verdicts = async (...flags: string[]) => {
        const { stdout } = await deno(
          ...["run", "--allow-net", ...flags, "testing/verdicts.ts", ...urls],
        );
        return JSON.parse(stdout) as string[];
      };
      const trusted = await verdicts(...TRUST);
      const upgrade = trusted.pop()!;
      assertEquals(
        trusted.map((line) => line.replace(NGINX_VERSION, "")),
        ANSWERS.map(([, verdict], i) => {
          const hint = verdict.includes("HTTP 301") && listen === ""
            ? " (try wss://example.org/)"
            : "";
          return `${urls[i]}: The server (nginx) answered ${verdict}${hint}`;
        }),
      );
      assertMatch(
        upgrade,
        /HTTP 426 instead of 101: This is a WebSocket .* \(a proxy that drops Upgrade\)$/,
      );
      if (listen !== "") {
        const [untrusted] = await verdicts();
        assertStringIncludes(
          untrusted!,
          `${
            urls[0]
          }: The server's TLS certificate is from an unknown authority`,
        );
        // Plain HTTP comes to the port.
        const { stderr } = await deno(
          ...["run", "--allow-net", "main.ts", `ws://localhost:${port}/0`],
        );
        assertEquals(
          stderr.replace(NGINX_VERSION, ""),
          `ws://localhost:${port}/0: The server (nginx) answered HTTP 400 instead of 101: The plain HTTP request was sent to HTTPS port (try wss://localhost:${port}/0)\n`,
        );
      }
      process.kill("SIGTERM");
      await process.ended;
      await echo[Symbol.asyncDispose]();
      await Deno.remove(folder, { recursive: true });
    },
  );
}

Deno.test(
  "main.ts blames no proxy when its own server does not answer in time",
  permitted(),
  async () => {
    // This proxy answers nothing.
    await using proxy = new RawServer((peer) => peer.drain());
    const { code, stderr } = await runToEnd(
      Deno.execPath(),
      ["run", "--allow-net", "main.ts"],
      {
        env: { HTTP_PROXY: `http://127.0.0.1:${proxy.port}/`, NO_PROXY: "" },
      },
    );
    assertEquals(code, 1);
    assertStringIncludes(
      stderr,
      "within 10 s (timed out; a wrong host or port",
    );
    assertEquals(stderr.includes("NO_PROXY"), false, stderr);
  },
);
