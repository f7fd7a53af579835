import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  CERTIFICATES,
  deno,
  ROOT,
  type RunningProcess,
  type ServerProcess,
  SIX_LINES,
  startEchoServer,
  startProcess,
  startServer,
  TRUST,
} from "../processes.ts";
import { RawPeer } from "../raw.ts";
import { test } from "../tests.ts";
import { findTool } from "./tools.ts";
import { delay } from "../time.ts";

const HAPROXY = findTool("haproxy", ["/usr/sbin/haproxy"]);
const NGINX = findTool("nginx", ["/usr/sbin/nginx"]);

/** Returns a port that is free now. */
function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return (listener.addr as Deno.NetAddr).port;
}

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

/** Runs the project's configuration of HAProxy in front of two servers. */
async function startHAProxy(...servers: ServerProcess[]) {
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
      SERVER_1: `127.0.0.1:${servers[0]!.port}`,
      SERVER_2: `127.0.0.1:${servers[1]!.port}`,
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

test(
  "deploy/haproxy.cfg serves the conversation and the page over TLS",
  async () => {
    await using one = await startEchoServer();
    await using two = await startEchoServer();
    await using proxy = await startHAProxy(one, two);
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
  { ignore: HAPROXY === undefined },
);

test("deploy/haproxy.cfg shares the connections out", async () => {
  await using one = await startEchoServer();
  await using two = await startEchoServer();
  await using proxy = await startHAProxy(one, two);
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
}, { ignore: HAPROXY === undefined });

test(
  "deploy/haproxy.cfg loses no conversation while the servers restart",
  async () => {
    const servers = [await startEchoServer(), await startEchoServer()];
    await using stack = new AsyncDisposableStack();
    const proxy = stack.use(await startHAProxy(...servers));
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
      servers[i] = await startEchoServer("--port", `${port}`);
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
  { ignore: HAPROXY === undefined },
);

test(
  "deploy/haproxy.cfg drops 1,000 handshakes that are never finished",
  async () => {
    await using one = await startEchoServer();
    await using two = await startEchoServer();
    await using proxy = await startHAProxy(one, two);
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
  { ignore: HAPROXY === undefined },
);

test("deploy/haproxy.cfg limits the connections of one address", async () => {
  await using one = await startEchoServer();
  await using two = await startEchoServer();
  await using proxy = await startHAProxy(one, two);
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
}, { ignore: HAPROXY === undefined });

const STATUSES = [301, 401, 403, 404, 429, 502, 503];

for (const http2 of ["", " http2"]) {
  test(
    `converse() tells the status from nginx with "listen … ssl${http2}"`,
    async () => {
      const folder = await Deno.makeTempDir();
      const port = freePort();
      const file = (name: string) =>
        new URL(`${CERTIFICATES}/${name}`, ROOT).pathname;
      const locations = STATUSES.map((status) =>
        status === 301
          ? "location /301 { return 301 https://example.org/; }"
          : `location /${status} { return ${status}; }`
      );
      await Deno.writeTextFile(
        `${folder}/nginx.conf`,
        `daemon off; pid ${folder}/pid; error_log stderr;
      events {}
      http {
        access_log off;
        server {
          listen 127.0.0.1:${port} ssl${http2};
          ssl_certificate ${file("localhost.pem")};
          ssl_certificate_key ${file("localhost.key")};
          ${locations.join("\n")}
        }
      }`,
      );
      await using process = startProcess(NGINX!, [
        ...["-p", folder, "-c", `${folder}/nginx.conf`],
      ]);
      await untilOpen(port, process);
      const urls = STATUSES.map((status) =>
        `wss://localhost:${port}/${status}`
      );
      const { stdout } = await deno(
        ...["run", "--allow-net", ...TRUST, "testing/verdicts.ts", ...urls],
      );
      assertEquals(
        JSON.parse(stdout),
        STATUSES.map((status, i) =>
          `${urls[i]}: The server answered HTTP ${status}${
            status === 301 ? " to https://example.org/" : ""
          } instead of 101`
        ),
      );
      process.kill("SIGTERM");
      await process.ended;
      await Deno.remove(folder, { recursive: true });
    },
    { ignore: NGINX === undefined },
  );
}
