/**
 * Declares the tests that need permissions.
 *
 * @module
 */

import { deadline } from "./deadline.ts";
import { killAll } from "./processes.ts";

/** Whether the permissions of `deno task test` are granted. */
export const PERMITTED: boolean = [
  { name: "run" } as const,
  { name: "net", host: "127.0.0.1" } as const,
].every((permission) =>
  Deno.permissions.querySync(permission).state === "granted"
);

/** Options for {@linkcode test}. */
export interface TestOptions {
  /** Skips the test, for an operating system that lacks something. */
  ignore?: boolean;
  /** Seconds after which the test fails. @default {60} */
  limit?: number;
}

/**
 * Declares a test that needs the permissions of `deno task test`, and skips it
 * without them. It fails when it takes too long.
 */
export function test(
  name: string,
  fn: () => Promise<void>,
  { ignore = false, limit = 60 }: TestOptions = {},
): void {
  Deno.test({
    name,
    ignore: !PERMITTED || ignore,
    async fn() {
      try {
        await deadline(fn(), limit * 1000);
      } finally {
        killAll();
      }
    },
  });
}
