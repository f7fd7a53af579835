/**
 * Holds one conversation after the other, from several clients at a time, until
 * SIGTERM. Then it prints how many succeeded, and why the others failed.
 *
 * @module
 */

import { converse } from "../../main.ts";

const CLIENTS = 20;

/** The pauses of the clients, in milliseconds. Half of them have the default. */
const PAUSES = [0, 1000];

if (import.meta.main) {
  const [url] = Deno.args;
  const failures: string[] = [];
  let succeeded = 0;
  let stopping = false;
  Deno.addSignalListener("SIGTERM", () => stopping = true);
  console.log(url);
  await Promise.all(Array.from({ length: CLIENTS }, async (_, i) => {
    while (!stopping) {
      try {
        await converse(url!, {
          messages: ["Hello!"],
          pause: PAUSES[i % PAUSES.length],
          log() {},
        });
        succeeded++;
      } catch (error) {
        failures.push((error as Error).message);
      }
    }
  }));
  console.log(JSON.stringify({ succeeded, failures }));
  Deno.exit(0);
}
