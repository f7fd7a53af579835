/**
 * Reads command lines. Whatever is wrong with one is a SyntaxError whose message
 * is one line for the user.
 *
 * @module
 */

import { parseArgs, type ParseArgsConfig } from "node:util";
import { printable } from "./printable.ts";

/**
 * `parseArgs` of `node:util`, for people.
 *
 * @throws {SyntaxError} If there is an unknown flag, one without its value, or
 * an argument too many.
 */
export function parseFlags<T extends ParseArgsConfig>(
  config: T,
): ReturnType<typeof parseArgs<T>> {
  try {
    return parseArgs(config);
  } catch (error) {
    // Its second sentence is about positionals that begin with a hyphen.
    const [problem] = (error as Error).message.split(/\. |\n/);
    throw new SyntaxError(`${printable(problem)} (see --help)`);
  }
}

/**
 * Returns a number of seconds in milliseconds.
 *
 * @param flag Its name, for the message.
 * @param text Its value.
 * @param least The least number of seconds it takes.
 * @throws {SyntaxError} If the value is not such a number, or is more than
 * a timer takes (2_147_483 s, HTML section 8.7).
 */
export function parseSeconds(
  flag: string,
  text: string,
  least: number,
): number {
  const most = 2_147_483;
  const seconds = Number(text);
  if (text.trim() === "" || !(seconds >= least && seconds <= most)) {
    throw new SyntaxError(
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
 * @throws {SyntaxError} If the value is none.
 */
export function parsePort(flag: string, text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65535) {
    throw new SyntaxError(
      `${flag} takes a whole number from 0 to 65535, not ${quote(text)}`,
    );
  }
  return Number(text);
}

/**
 * Returns the URL of a WebSocket (RFC 6455 section 3).
 *
 * @throws {SyntaxError} If the text is none. The message says how to write it,
 * where that can be guessed.
 */
export function parseURL(text: string): URL {
  const url = URL.parse(text);
  if (url?.protocol === "ws:" || url?.protocol === "wss:") {
    if (!text.includes("#")) return url;
    throw new SyntaxError(
      `${
        quote(text)
      } is not a WebSocket URL: wanted one without a fragment (#)`,
    );
  }
  // It may be the URL of a page, or a host as one types it into a browser.
  const guess = /^https?:\/\//i.test(text)
    ? text.replace(/^http(s?)/i, (_, s) => `ws${s.toLowerCase()}`)
    : /^(\[[\da-f:]+\]|[\w.-]+)(:\d+)?([/?]|$)/i.test(text)
    ? `ws://${text}`
    : "";
  const hint = URL.canParse(guess) ? `, as in ${printable(guess)}` : "";
  throw new SyntaxError(
    `${
      quote(text)
    } is not a WebSocket URL: wanted ws://host or wss://host${hint}`,
  );
}

function quote(text: string): string {
  return `"${printable(text)}"`;
}
