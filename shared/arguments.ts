// Reads command lines.

import { parseArgs, type ParseArgsConfig } from "node:util";
import { UsageError } from "./exit.ts";
import { printable } from "./printable.ts";

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
    const { message } = error as Error;
    throw new UsageError(`${describe(message, config)} (see --help)`);
  }
}

/** Returns in one line what `parseArgs` says is wrong with the arguments. */
function describe(
  message: string,
  { args = [], allowPositionals = false }: ParseArgsConfig,
): string {
  // parseArgs reads -hello as -h -e -l -l -o.
  if (/^Unknown option '-[^-]/.test(message)) {
    const whole = args.find((arg) => /^-[^-]/.test(arg) && arg !== "-h")!;
    return `Unknown option ${quote(whole)}` +
      (allowPositionals
        ? "; a message that begins with a hyphen comes after --"
        : "");
  }
  const ambiguous = /^Option '(?:-\w, )?(--[\w-]+)/.exec(message)?.[1];
  if (ambiguous !== undefined && /ambiguous/.test(message)) {
    return `A value that begins with a hyphen is written as ${ambiguous}=VALUE`;
  }
  // Its second sentence is about positionals that begin with a hyphen.
  return printable(message.split(/\. |\n/)[0]!);
}

/**
 * Returns a number of seconds in milliseconds.
 *
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

/** Returns a text in double quotes, safe to print. */
export function quote(text: string): string {
  return `"${printable(text)}"`;
}
