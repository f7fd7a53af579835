import { assertEquals, assertStringIncludes } from "@std/assert";
import { deno } from "../testing/processes.ts";
import { permitted } from "../testing/permitted.ts";

/** Runs a command that is given as a script. */
function run(command: string) {
  const script = `
    import { run, UsageError } from "./shared/exit.ts";
    await run(async () => { ${command} });
  `;
  return deno("eval", script);
}

Deno.test(
  "run() ends with one line and the exit code of the error",
  permitted(),
  async () => {
    const { code, stderr } = await run('throw new UsageError("Wrong")');
    assertEquals([code, stderr], [2, "Wrong\n"]);
  },
);

Deno.test(
  "run() leaves everything else that is thrown to Deno",
  permitted(),
  async () => {
    for (const thrown of ["undefined", "null", '"text"', 'new Error("text")']) {
      const { code, stderr } = await run(`throw ${thrown}`);
      assertEquals(code, 1);
      assertStringIncludes(stderr, "Uncaught");
      assertStringIncludes(stderr, thrown.match(/text|undefined|null/)![0]);
    }
  },
);
