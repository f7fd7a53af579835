/**
 * Runs `deno test` with the given arguments. The tests take @std from JSR. Where
 * the network does not reach JSR, they take it from npm.
 *
 * ```sh
 * deno run --allow-env --allow-net --allow-run testing/run_tests.ts --allow-all
 * ```
 *
 * @module
 */

/** Where Deno looks for JSR, too. */
const JSR = Deno.env.get("JSR_URL") ?? "https://jsr.io/";

/** Milliseconds after which JSR counts as out of reach. */
const TIMEOUT = 10_000;

/** Options of `deno test` for @std from npm. */
const FROM_NPM = ["--import-map=testing/std_from_npm/import_map.json"];

// A lock file fixes the version and the content of what comes from npm, too.
if (!Deno.args.some((arg) => arg.startsWith("--lock="))) {
  FROM_NPM.push("--lock=testing/std_from_npm/deno.lock", "--frozen");
}

/** Returns why JSR is out of reach, or undefined. */
async function whyOutOfReach(): Promise<string | undefined> {
  // Whatever Deno has in its cache needs no network.
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["cache", "--quiet", "main_test.ts"],
    stderr: "null",
  }).output();
  if (success) return;
  try {
    const response = await fetch(new URL("@std/assert/meta.json", JSR), {
      signal: AbortSignal.timeout(TIMEOUT),
    });
    // Any answer will do: what is wrong then, deno test says best.
    await response.body?.cancel();
  } catch (error) {
    const { cause, message } = error as Error;
    return (cause as Error | undefined)?.message ?? message;
  }
}

const cause = await whyOutOfReach();
if (cause !== undefined) {
  console.error(
    `@std comes from npm, perhaps in other versions than in deno.json, because JSR is out of reach: ${cause}`,
  );
}
const { code } = await new Deno.Command(Deno.execPath(), {
  args: ["test", ...(cause === undefined ? [] : FROM_NPM), ...Deno.args],
  stdin: "null",
}).spawn().status;
Deno.exit(code);
