/**
 * The errors that a user can cause or fix, and how a command ends with one.
 *
 * @module
 */

import { ConversationError } from "../lib/failure.ts";

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
  // A listener of an event can fail, too.
  addEventListener("error", (event) => exitIfKnown(event.error));
  try {
    await command();
  } catch (error) {
    exitIfKnown(error);
    throw error;
  }
}

/** Prints an error and exits, unless the error is a bug. */
function exitIfKnown(error: unknown): void {
  const line = describe(error);
  if (line === undefined) return;
  console.error(line);
  // Exit at once: a connection may be stuck.
  Deno.exit(error instanceof UsageError ? 2 : 1);
}

/** Error codes of the operating system when standard output takes no more. */
const WRITE_ERRORS = ["ENOSPC", "EPIPE", "EIO", "EBADF"];

function describe(error: unknown): string | undefined {
  if (
    error instanceof UsageError || error instanceof CommandError ||
    error instanceof ConversationError ||
    error instanceof Deno.errors.NotCapable
  ) return error.message;
  // This comes from console.log, as with `>/dev/full`.
  const { code, message } = error as { code?: string; message?: string };
  if (code !== undefined && WRITE_ERRORS.includes(code)) {
    return `Cannot write the output: ${message}`;
  }
}

/**
 * Handles the error that Deno throws outside of all code of a program, when a
 * text message of more than 512 MiB arrives over a WebSocket.
 */
export function onTooLongText(handle: () => void): void {
  addEventListener("unhandledrejection", (event) => {
    if (!/failed to allocate string/.test(event.reason?.message)) return;
    event.preventDefault();
    handle();
  });
}
