import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import version from "../.dvmrc" with { type: "text" };
import workflow from "../.github/workflows/ci.yml" with { type: "text" };
import main from "../main.ts" with { type: "text" };
import readme from "../README.md" with { type: "text" };
import { handler } from "../echo_server.ts";
import { serveHere } from "./in_process.ts";
import { runToEnd, SIX_LINES } from "./processes.ts";
import { PERMITTED, permitted } from "./permitted.ts";

/** Returns the lines of the block of TypeScript that begins like this. */
function blockOf(start: string): string[] {
  const blocks = [...readme.matchAll(/```ts\n(.*?)```/gs)].map(([, text]) =>
    text!
  );
  const block = blocks.find((text) => text.startsWith(start));
  assert(block !== undefined, `README.md has no block that begins ${start}`);
  return block.trimEnd().split("\n");
}

Deno.test("README.md shows the heart of main.ts", () => {
  const lines = main.split("\n").map((line) => line.replace(/^ {2}/, ""));
  const start = lines.findIndex((line) => line.startsWith("const socket ="));
  const end = lines.findIndex((line) => line === "await watch.closed();");
  assertEquals(
    blockOf("const socket = new WebSocket(url,"),
    lines.slice(start, end + 1),
  );
});

Deno.test("README.md shows what main.ts prints", () => {
  assertStringIncludes(readme, `\`\`\`text\n${SIX_LINES.join("\n")}\n\`\`\``);
});

Deno.test(
  "README.md shows a client and a server that run",
  permitted(),
  async () => {
    await using server = serveHere(handler);
    const own = "ws://127.0.0.1:8000/";
    const client = blockOf('const socket = new WebSocket("ws').join("\n");
    const answer = await runToEnd(Deno.execPath(), [
      "eval",
      client.replace(own, server.url),
    ]);
    assertEquals(answer.stderr, "");
    assertEquals([answer.code, answer.stdout], [0, "What time is it?\n"]);

    const serve = blockOf("Deno.serve(").join("\n").replace("8000", "0");
    const script = `const server = ${serve}
    const socket = new WebSocket("ws://127.0.0.1:" + server.addr.port);
    socket.onopen = () => socket.send("Hi!");
    socket.onmessage = ({ data }) => { console.log(data); socket.close(); };
    socket.onclose = () => server.shutdown();`;
    const echo = await runToEnd(Deno.execPath(), ["eval", script]);
    assertEquals(echo.stdout.split("\n").at(-2), "Hi!", echo.stderr);
  },
);

Deno.test("README.md shows a test that passes", permitted(), async () => {
  const program = blockOf("import { handler }").join("\n");
  const script = `Deno.test = async (name, test) => {
      await test();
      console.log(name);
    };
    ${program}`;
  const { stdout, stderr } = await runToEnd(Deno.execPath(), ["eval", script]);
  assertEquals(stdout.split("\n").at(-2), "the server echoes", stderr);
});

Deno.test("README.md and the workflow name the version of Deno in .dvmrc", () => {
  const named = [...readme.matchAll(/\bdeno@([\w.]+)/g)];
  assert(named.length > 0, "README.md names no version");
  for (const [, other] of named) assertEquals(other, version.trim());
  assertStringIncludes(workflow, "deno-version-file: .dvmrc");
  assertEquals(/deno-version: v?\d+\.\d+\.\d/.test(workflow), false);
});

// A plain `deno test` ends here.
if (!PERMITTED) {
  Deno.test.ignore(
    "Tests with sockets and processes need deno task test",
    () => {},
  );
}
