import {
  assert,
  assertEquals,
  assertNotEquals,
  assertStringIncludes,
} from "@std/assert";
import config from "../../deno.json" with { type: "json" };
import { type Result, ROOT, runToEnd } from "../processes.ts";
import { permitted } from "../tests.ts";

const LOCK = "testing/std_from_npm/deno.lock";
const RUN = new URL("testing/run_tests.ts", ROOT).href;

/** A package that takes the place of the real one, on a server of its own. */
const MODULE = `export function assert(condition: unknown): void {
  if (!condition) throw new Error("assert");
}
`;

async function sha256(text: string): Promise<string> {
  const bytes = new TextEncoder().encode(text);
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  return new Uint8Array(digest).toHex();
}

const VERSION = JSON.stringify({
  manifest: {
    "/mod.ts": {
      size: MODULE.length,
      checksum: `sha256-${await sha256(MODULE)}`,
    },
  },
  exports: { ".": "./mod.ts" },
});

const FILES: Record<string, string> = {
  "/@std/assert/meta.json": JSON.stringify({
    scope: "std",
    name: "assert",
    latest: "1.0.19",
    versions: { "1.0.19": {} },
  }),
  "/@std/assert/1.0.19_meta.json": VERSION,
  "/@std/assert/1.0.19/mod.ts": MODULE,
};

/** Serves what JSR serves. */
function serveJSR() {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    ({ url }) => {
      const file = FILES[new URL(url).pathname];
      return new Response(file, { status: file === undefined ? 404 : 200 });
    },
  );
  return {
    url: `http://127.0.0.1:${server.addr.port}/`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** Where nothing listens. */
const OUT_OF_REACH = (() => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return `http://127.0.0.1:${(listener.addr as Deno.NetAddr).port}/`;
})();

const GOOD_TEST = `
  import { assert } from "@std/assert";
  Deno.test("good", () => assert(true));
`;

/** Runs the tests of a small project that has these files. */
async function run(
  jsr: string,
  files: Record<string, string>,
): Promise<Result> {
  const folder = await Deno.makeTempDir();
  await Deno.mkdir(`${folder}/testing/std_from_npm`, { recursive: true });
  const lock = {
    version: "5",
    specifiers: { "jsr:@std/assert@1.0.19": "1.0.19" },
    jsr: { "@std/assert@1.0.19": { integrity: await sha256(VERSION) } },
    workspace: { dependencies: Object.values(config.imports) },
  };
  const fromNpm = ["assert.ts", "assert.d.ts", "mock.ts", "mock.d.ts"]
    .concat("import_map.json")
    .map((name) => `testing/std_from_npm/${name}`);
  const copies = await Promise.all(
    [...fromNpm, LOCK].map(async (path) =>
      [path, await Deno.readTextFile(new URL(path, ROOT))] as const
    ),
  );
  const all = {
    ...Object.fromEntries(copies),
    "deno.json": JSON.stringify({ imports: config.imports }),
    "deno.lock": JSON.stringify(lock),
    "main_test.ts": GOOD_TEST,
    ...files,
  };
  for (const [path, text] of Object.entries(all)) {
    await Deno.writeTextFile(`${folder}/${path}`, text);
  }
  const result = await runToEnd(
    Deno.execPath(),
    ["run", "--no-config", "--allow-all", RUN],
    { cwd: folder, env: { JSR_URL: jsr, DENO_DIR: `${folder}/.deno` } },
  );
  await Deno.remove(folder, { recursive: true });
  return result;
}

const NPM = "@std comes from npm";

Deno.test("testing/run_tests.ts takes @std from JSR", permitted(), async () => {
  await using jsr = serveJSR();
  const { code, stdout, stderr } = await run(jsr.url, {});
  assertEquals(code, 0, stderr);
  assertStringIncludes(stdout, "1 passed | 0 failed");
  assert(!stderr.includes(NPM), stderr);
});

Deno.test(
  "testing/run_tests.ts takes @std from npm where JSR is out of reach",
  permitted(),
  async () => {
    const { code, stdout, stderr } = await run(OUT_OF_REACH, {});
    assertEquals(code, 0, stderr);
    assertStringIncludes(stdout, "1 passed | 0 failed");
    const line = stderr.split("\n").find((line) => line.includes(NPM))!;
    assertStringIncludes(line, "perhaps in other versions");
    assertStringIncludes(line, "JSR is out of reach: ");
    assertStringIncludes(line, "Connection refused");
  },
);

for (
  const [name, words, files] of [
    [
      "a changed hash in deno.lock",
      "Integrity check failed for package",
      {
        "deno.lock": JSON.stringify({
          version: "5",
          specifiers: { "jsr:@std/assert@1.0.19": "1.0.19" },
          jsr: { "@std/assert@1.0.19": { integrity: "0".repeat(64) } },
        }),
      },
    ],
    [
      "a misspelt import",
      '"@std/asert" not a dependency',
      { "main_test.ts": 'import "@std/asert";' },
    ],
    [
      "a type error",
      "TS2322",
      { "other_test.ts": 'const number: number = "text";' },
    ],
    [
      "a syntax error",
      "SyntaxError",
      { "other_test.ts": "const = 1;" },
    ],
    [
      "a missing file",
      "nowhere.ts",
      { "other_test.ts": 'import "./nowhere.ts";' },
    ],
    [
      "a failing test",
      "0 passed | 1 failed",
      { "main_test.ts": 'Deno.test("bad", () => { throw 1; });' },
    ],
  ] as [string, string, Record<string, string>][]
) {
  Deno.test(
    `testing/run_tests.ts fails with its own words for ${name}`,
    permitted(),
    async () => {
      await using jsr = serveJSR();
      const { code, stdout, stderr } = await run(jsr.url, files);
      assertNotEquals(code, 0);
      assertStringIncludes(stdout + stderr, words);
      assert(!stderr.includes(NPM), stderr);
    },
  );
}

Deno.test(
  "testing/run_tests.ts fails for a misspelt import where JSR is out of reach",
  permitted(),
  async () => {
    const { code, stderr } = await run(OUT_OF_REACH, {
      "main_test.ts": 'import "@std/asert";',
    });
    assertEquals(code, 1);
    assertStringIncludes(stderr, '"@std/asert" not a dependency');
  },
);

Deno.test(
  "testing/run_tests.ts fails when the package from npm is not as in the lock file",
  permitted(),
  async () => {
    const lock = await Deno.readTextFile(new URL(LOCK, ROOT));
    const changed = lock.replace(
      /("deno-std@[^{]*\{\s*"integrity": "sha512-)[^"]{4}/,
      "$1AAAA",
    );
    assert(changed !== lock);
    const { code, stderr } = await run(OUT_OF_REACH, {
      [LOCK]: changed,
    });
    assertEquals(code, 1);
    assertStringIncludes(stderr, "AAAA");
  },
);
