// Ends a command with one line and the right exit code.

/** The oldest version of Deno that the commands run with. */
const MIN_DENO_VERSION = "2.9.5";

/** A command that was wrong: exit code 2. */
export class UsageError extends Error {
  override name = "UsageError";
}

/** A command that was right but could not be carried out: exit code 1. */
export class CommandError extends Error {
  override name = "CommandError";
}

/**
 * Runs a command. If it fails in a way that a user can understand, it prints one
 * line and exits with the code of the error. Any other error is a bug, and is
 * left to Deno, which prints where it happened and exits with 1.
 */
export async function run(command: () => Promise<void>): Promise<void> {
  if (!isDenoNewEnough()) {
    console.error(
      `This needs Deno ${MIN_DENO_VERSION} or later: run deno upgrade (with only Node.js: npx -y deno task start, or serve)`,
    );
    const { default: process } = await import("node:process");
    process.exit(1);
  }
  // A listener of an event can fail, too.
  addEventListener("error", (event) => exitIfKnown(event.error));
  try {
    await command();
  } catch (error) {
    exitIfKnown(error);
    throw error;
  }
}

function isDenoNewEnough(): boolean {
  if (!("Deno" in globalThis)) return false;
  // The first part that differs decides. A version like 2.10.0-rc.1 is fine.
  const parts = Deno.version.deno.split(".").map((part) => parseInt(part));
  const min = MIN_DENO_VERSION.split(".").map(Number);
  const i = parts.findIndex((part, i) => part !== min[i]);
  return i < 0 || parts[i]! > (min[i] ?? 0);
}

/** Prints an error and exits, unless the error is a bug. */
function exitIfKnown(error: unknown): void {
  const { code, message } = Object(error);
  const known = [UsageError, CommandError, Deno.errors.NotCapable];
  if (known.some((type) => error instanceof type)) console.error(message);
  // This comes from console.log, as with `>/dev/full`.
  else if (code === "ENOSPC") {
    console.error(`Cannot write the output: ${message}`);
  } else return;
  // Exit at once: a connection may be stuck.
  Deno.exit(error instanceof UsageError ? 2 : 1);
}
