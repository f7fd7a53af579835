import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import script from "../.ci/run" with { type: "text" };
import version from "../.dvmrc" with { type: "text" };
import workflow from "../.github/workflows/ci.yml" with { type: "text" };
import main from "../main.ts" with { type: "text" };
import readme from "../README.md" with { type: "text" };
import { SIX_LINES } from "./processes.ts";

Deno.test("README.md shows the heart of main.ts", () => {
  const [, heart] = /```ts\n(const socket = .*?)```/s.exec(readme)!;
  const indented = heart!.replace(/^(?=.)/gm, "  ");
  assertStringIncludes(main, indented);
});

Deno.test("README.md shows what main.ts prints", () => {
  assertStringIncludes(readme, `\`\`\`text\n${SIX_LINES.join("\n")}\n\`\`\``);
});

Deno.test("README.md names the version of Deno in .dvmrc", () => {
  const named = [...readme.matchAll(/\bdeno@([\w.]+)/g)];
  assert(named.length > 0);
  for (const [, other] of named) assertEquals(other, version.trim());
});

Deno.test(".ci/run and the workflow take the version of Deno from .dvmrc", () => {
  assertStringIncludes(script, 'deno@$(cat .dvmrc)"');
  assertEquals(/deno@\d/.test(script), false);
  assertStringIncludes(workflow, "deno-version-file: .dvmrc");
  assertEquals(/deno-version: v?\d+\.\d+\.\d/.test(workflow), false);
});
