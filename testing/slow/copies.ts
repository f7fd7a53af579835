import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import version from "../../.dvmrc" with { type: "text" };
import dockerfile from "../../deploy/Dockerfile" with { type: "text" };
import { serveHere } from "../in_process.ts";
import { permitted } from "../permitted.ts";
import {
  deno,
  ROOT,
  runToEnd,
  SIX_LINES,
  startProcess,
  startServer,
} from "../processes.ts";

const OPTIONS = permitted({
  ignore: Deno.build.os !== "linux",
  timeout: 120_000,
});

/** Returns the values of an instruction of the Dockerfile. */
const valuesOf = (name: string) =>
  [...dockerfile.matchAll(new RegExp(`^${name} (.*)`, "gm"))]
    .map(([, value]) => value!);

/** Copies what COPY names, but for the tests. */
async function copyFiles(folder: string): Promise<void> {
  for (const line of valuesOf("COPY")) {
    const paths = line.split(" ");
    const target = `${folder}/${paths.pop()}`;
    await Deno.mkdir(target, { recursive: true });
    const { code, stderr } = await runToEnd("sh", [
      ...["-c", `cp ${paths.join(" ")} ${target}; rm -f ${target}/*_test.ts`],
    ]);
    assertEquals([line, code, stderr], [line, 0, ""]);
  }
}

Deno.test(
  "deploy/Dockerfile copies all files that its commands need, and they write nothing",
  OPTIONS,
  async () => {
    assertEquals(valuesOf("FROM"), [`denoland/deno:${version.trim()}`]);
    const folder = await Deno.makeTempDir();
    await copyFiles(folder);
    // An ordinary user may run this one, wherever Deno is.
    const program = `${folder}/deno`;
    await Deno.copyFile(Deno.execPath(), program);
    const cache = `${folder}/cache`;
    const [cached] = valuesOf("RUN");
    const env = { DENO_DIR: cache, DENO_NO_UPDATE_CHECK: "1" };
    const filled = await runToEnd(program, cached!.split(" ").slice(1), {
      cwd: folder,
      env,
    });
    assertEquals(filled.code, 0, filled.stderr);
    const files = () => runToEnd("find", [folder, "-newer", program]);
    await runToEnd("chmod", ["-R", "a+rX,a-w", folder]);

    /** A command of the Dockerfile as an ordinary user runs it. */
    const asNobody = (value: string, url = ""): [string, string[]] => {
      const [, ...args] = JSON.parse(value.replace(/^CMD /, "")) as string[];
      const flags = ["--reuid=65534", "--regid=65534", "--clear-groups"];
      return ["setpriv", [
        ...flags,
        program,
        ...args.map((arg) => arg.startsWith("ws:") ? url : arg),
      ]];
    };
    const before = await files();
    const [command, args] = asNobody(valuesOf("CMD")[0]!);
    const options = { cwd: folder, env };
    await using server = await startServer(
      command,
      [...args, "--port", "0"],
      options,
    );
    const page = await fetch(server.url.replace("ws", "http"), {
      headers: { accept: "text/html" },
    });
    assertEquals(page.status, 200);
    await page.body?.cancel();
    const check = asNobody(valuesOf("HEALTHCHECK")[0]!, server.url);
    const healthy = await startProcess(...check, options).ended;
    assertEquals([healthy.code, healthy.stderr], [0, ""]);
    server.kill("SIGTERM");
    const { code, stderr, stdout } = await server.ended;
    assertEquals([code, stderr], [0, ""], stdout);
    assertEquals((await files()).stdout, before.stdout);
    await runToEnd("chmod", ["-R", "u+w", folder]);
    await Deno.remove(folder, { recursive: true });
  },
);

Deno.test(
  "main.ts and echo_server.ts run from a server that knows no TypeScript",
  OPTIONS,
  async () => {
    await using files = serveHere(async ({ url }) => {
      const path = new URL(url).pathname.slice(1);
      const file = await Deno.readTextFile(new URL(path, ROOT))
        .catch(() => undefined);
      const headers = { "content-type": "text/plain; charset=utf-8" };
      const status = file === undefined ? 404 : 200;
      return new Response(file, { status, headers });
    });
    const cache = await Deno.makeTempDir();
    const at = (name: string) => `http://127.0.0.1:${files.port}/${name}`;
    const run = ["run", "--quiet", "--allow-net", "--allow-import"];
    const options = { cwd: cache, env: { DENO_DIR: cache } };
    const own = await runToEnd(
      Deno.execPath(),
      [...run, at("main.ts")],
      options,
    );
    assertEquals([own.code, own.stderr], [0, ""]);
    assertEquals(own.stdout, SIX_LINES.join("\n") + "\n");
    await using server = await startServer(
      Deno.execPath(),
      [...run, at("echo_server.ts"), "--port", "0"],
      options,
    );
    const page = await fetch(server.url.replace("ws", "http"), {
      headers: { accept: "text/html" },
    });
    assertStringIncludes(await page.text(), "<h1>WebSocket echo</h1>");
    const { code } = await deno(
      ...["run", "--allow-net", "main.ts", "--pause", "0", server.url],
    );
    assertEquals(code, 0);
    server.kill("SIGTERM");
    assert((await server.ended).code === 0);
    await Deno.remove(cache, { recursive: true });
  },
);
