/**
 * Defines tests that fail when they take too long.
 *
 * @module
 */

import { deadline } from "./time.ts";
import { killAll } from "./processes.ts";

/** Whether the permissions of `deno task test` are granted. */
const PERMITTED: boolean = [
  { name: "run" } as const,
  { name: "net" } as const,
].every((permission) =>
  Deno.permissions.querySync(permission).state === "granted"
);

/** Options for {@linkcode test}. */
export interface TestOptions {
  /** Whether it needs the permissions of `deno task test`. @default {true} */
  permissions?: boolean;
  /** Skips the test, for an operating system that lacks something. */
  ignore?: boolean;
  /** Seconds after which the test fails. @default {60} */
  limit?: number;
}

/**
 * Defines a test that has to wait for something, and fails when that takes too
 * long. It is skipped if it needs permissions that are not granted.
 */
export function test(
  name: string,
  fn: () => Promise<void>,
  { permissions = true, ignore = false, limit = 60 }: TestOptions = {},
): void {
  Deno.test({
    name,
    ignore: (permissions && !PERMITTED) || ignore,
    async fn() {
      try {
        await deadline(fn(), limit * 1000);
      } finally {
        killAll();
      }
    },
  });
}
