/**
 * Converses with every URL among its arguments, all at a time, and prints what
 * went wrong as JSON: one string for each, empty if nothing did. It is a process
 * of its own because only a process can be told which authority to trust.
 *
 * @module
 */

import { converse } from "../main.ts";

if (import.meta.main) {
  const options = { messages: ["Hello!"], pause: 0, timeout: 4000, log() {} };
  const verdicts = await Promise.all(
    Deno.args.map((url) =>
      converse(url, options).then(() => "", ({ message }) => message)
    ),
  );
  await Deno.stdout.write(new TextEncoder().encode(JSON.stringify(verdicts)));
  Deno.exit(0);
}
