// Options for tests that need permissions or more time than others.

import { killAll } from "./processes.ts";

/** Whether the permissions of `deno task test` are granted. */
export const PERMITTED: boolean = [
  { name: "run" } as const,
  { name: "net" } as const,
].every((permission) =>
  Deno.permissions.querySync(permission).state === "granted"
);

// What a failed test has left running must not disturb the next one.
Deno.test.afterEach(killAll);

/**
 * Returns options of `Deno.test` for a test with sockets or processes. It is
 * ignored without the permissions of `deno task test`, and where the operating
 * system lacks something. It fails after its timeout, in milliseconds.
 */
export function permitted(
  { ignore = false, timeout = 60_000 }: { ignore?: boolean; timeout?: number } =
    {},
): { ignore: boolean; timeout: number } {
  return { ignore: ignore || !PERMITTED, timeout };
}
