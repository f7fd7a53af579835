// Were puppeteer-core in deno.json, everybody would download it.
// deno-lint-ignore-file no-import-prefix
import { assert, assertEquals } from "@std/assert";
import { launch } from "npm:puppeteer-core@25.16.0";
import { handler } from "../../echo_server.ts";
import { serveHere } from "../in_process.ts";
import { ROOT, runToEnd, SIX_LINES } from "../processes.ts";
import { acceptHandshake, answers, encodeAnswer, RawServer } from "../raw.ts";
import { permitted } from "../permitted.ts";
import { CHROME_FLAGS, CHROMIUM, install } from "./tools.ts";

/** Converses with every URL, and prints what was logged, line by line. */
const SCRIPT = `
  import process from "node:process";
  const [module, ...rows] = process.argv.slice(2);
  const { converse } = await import(module);
  for (const row of rows) {
    const { url, ...options } = JSON.parse(row);
    const log = (line: string) => console.log(line);
    const start = performance.now();
    try {
      await converse(url, { pause: 100, log, ...options });
    } catch (error) {
      console.log((error as Error).message);
    }
    if (performance.now() - start > 3000) console.log("It was slow");
  }
`;

for (
  const [name, specifier, path] of [
    ["Bun", "bun@1.4.5", "node_modules/.bin/bun"],
    ["Node.js 22", "node@22.23.3", "node_modules/node/bin/node"],
    ["Node.js 24", "node@24.21.0", "node_modules/node/bin/node"],
  ] as const
) {
  Deno.test(
    `converse() converses in ${name}, and shows no password`,
    permitted({ timeout: 180_000 }),
    async () => {
      await using packages = await install(specifier);
      const { folder } = packages;
      const program = `${folder}/${path}`;
      await Deno.writeTextFile(`${folder}/script.mts`, SCRIPT);
      let head = "";
      await using echo = serveHere((request) => {
        head = JSON.stringify([...request.headers]);
        return handler(request);
      });
      await using refuses = new RawServer(answers(encodeAnswer(404)));
      await using drops = new RawServer(async (peer) => {
        await acceptHandshake(peer);
        await peer.readFrame();
        peer[Symbol.dispose]();
      });
      const at = (port: number) => `ws://me:secret@127.0.0.1:${port}/`;
      const { code, stdout, stderr } = await runToEnd(program, [
        `${folder}/script.mts`,
        new URL("main.ts", ROOT).href,
        ...[
          { url: at(echo.port), headers: { "X-A": "b" }, protocols: ["chat"] },
          { url: at(refuses.port) },
          { url: at(drops.port) },
        ].map((row) => JSON.stringify(row)),
      ]);
      assertEquals(code, 0, stderr);
      assertEquals(
        // Node.js 22 fires no close event when the connection was refused.
        stdout.trimEnd().split("\n").filter((line, i) =>
          i !== 6 || line !== "disconnected"
        ),
        [
          ...SIX_LINES,
          `ws://127.0.0.1:${refuses.port}/: Could not connect (is the server running?)`,
          "connected",
          "client -> server: Hello WebSocket!",
          "disconnected",
          `ws://127.0.0.1:${drops.port}/: The connection dropped, no close frame came (1006), 0.0 s after it opened (right after message 1: look into the server's log)`,
        ],
      );
      assert(head.includes('["x-a","b"]'), head);
      assert(head.includes('["sec-websocket-protocol","chat"]'), head);

      for (const file of ["main.ts", "echo_server.ts"]) {
        const command = await runToEnd(program, [file]);
        // Node.js 22 warns that it strips types.
        const lines = command.stderr.split("\n")
          .filter((line) => !/ExperimentalWarning|--trace-warnings/.test(line));
        assertEquals(lines, [
          "This needs Deno 2.9.5 or later: run deno upgrade (with only Node.js: npx -y deno task start, or serve)",
          "",
        ]);
        assertEquals([command.code, command.stdout], [1, ""]);
      }
    },
  );
}

Deno.test(
  "converse() converses in Chromium when esbuild has bundled it",
  permitted({ ignore: CHROMIUM === undefined, timeout: 180_000 }),
  async () => {
    await using packages = await install("esbuild@0.28.2");
    // As in client/README.md.
    const { code, stdout, stderr } = await runToEnd(
      `${packages.folder}/node_modules/.bin/esbuild`,
      [
        "main.ts",
        ...["--bundle", "--format=esm", "--target=es2022"],
        "--define:import.meta.main=false",
      ],
    );
    assertEquals(code, 0, stderr);
    await using server = serveHere((request) => {
      if (request.headers.has("upgrade")) return handler(request);
      const isScript = new URL(request.url).pathname === "/bundle.js";
      const type = isScript ? "text/javascript" : "text/html";
      return new Response(isScript ? stdout : "<!DOCTYPE html>", {
        headers: { "content-type": type },
      });
    });
    const browser = await launch({
      executablePath: CHROMIUM!,
      args: CHROME_FLAGS,
    });
    try {
      const page = await browser.newPage();
      await page.goto(server.url.replace("ws", "http"));
      const lines = await page.evaluate(`(async () => {
      const lines = [];
      const log = (line) => lines.push(line);
      const { converse } = await import("/bundle.js");
      await converse(location.origin.replace("http", "ws"), { pause: 50, log });
      return lines;
    })()`);
      assertEquals(lines, SIX_LINES);
    } finally {
      await browser.close();
    }
  },
);
