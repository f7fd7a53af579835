/**
 * Reads command lines.
 *
 * @module
 */

import { parseArgs, type ParseArgsConfig } from "node:util";
import { isToken } from "../lib/handshake.ts";
import { printable } from "../lib/printable.ts";
import { UsageError } from "./errors.ts";

/**
 * Reads options and positional arguments, with `parseArgs` of `node:util`.
 *
 * @throws {UsageError} If an option is unknown or lacks its value, or if there
 * is an argument too many.
 */
export function parseFlags<T extends ParseArgsConfig>(
  config: T,
): ReturnType<typeof parseArgs<T>> {
  try {
    return parseArgs(config);
  } catch (error) {
    // Its second sentence is about positionals that begin with a hyphen.
    const [problem] = (error as Error).message.split(/\. |\n/);
    throw new UsageError(`${printable(problem!)} (see --help)`);
  }
}

/**
 * Returns a number of seconds in milliseconds.
 *
 * @param flag The option, for the message.
 * @param text The value of the option.
 * @param least The least number of seconds that the option takes.
 * @throws {UsageError} If the value is not a number of seconds, or more than a
 * timer can take (2_147_483 s, as in all implementations of the HTML standard).
 */
export function parseSeconds(
  flag: string,
  text: string,
  least: number,
): number {
  const most = 2_147_483;
  const seconds = Number(text);
  if (text.trim() === "" || !(seconds >= least && seconds <= most)) {
    throw new UsageError(
      `${flag} takes a number of seconds from ${least} to ${most}, not ${
        quote(text)
      }`,
    );
  }
  return seconds * 1000;
}

/**
 * Returns a port number.
 *
 * @throws {UsageError} If the value is not a port number.
 */
export function parsePort(flag: string, text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65535) {
    throw new UsageError(
      `${flag} takes a whole number from 0 to 65535, not ${quote(text)}`,
    );
  }
  return Number(text);
}

/**
 * Checks the names of subprotocols (RFC 6455 section 4.1).
 *
 * @throws {UsageError} If one is not a token, or occurs twice.
 */
export function checkProtocols(flag: string, names: string[]): string[] {
  for (const [i, name] of names.entries()) {
    if (!isToken(name)) {
      throw new UsageError(
        `${flag} takes a name without spaces or separators, not ${quote(name)}`,
      );
    }
    if (names.indexOf(name) !== i) {
      throw new UsageError(`${flag} ${quote(name)} is given twice`);
    }
  }
  return names;
}

/** Returns a text in double quotes, safe to print. */
export function quote(text: string): string {
  return `"${printable(text)}"`;
}
