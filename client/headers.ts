// Sends headers with an opening handshake, where that is possible.

import { isToken } from "../shared/token.ts";
import type { ConverseOptions } from "./options.ts";

/**
 * The headers that an opening handshake has by itself (RFC 6455 section 4.1),
 * and those that would change where its body ends. Deno drops most of them
 * silently.
 */
const RESERVED =
  /^(host|connection|upgrade|content-length|transfer-encoding|sec-.*)$/i;

/**
 * Returns what is wrong with a header, or undefined. The value is never shown,
 * because it may be a secret.
 */
export function checkHeader(name: string, value: string): string | undefined {
  if (!isToken(name)) {
    return 'a header needs a name, as in "Authorization: Bearer TOKEN"';
  }
  if (RESERVED.test(name)) {
    return `the header ${name} is set by the WebSocket itself`;
  }
  // RFC 9110 section 5.5.
  if (/[^\t\x20-\x7e\x80-\xff]/.test(value)) {
    return `the value of the header ${name} has a line break or another character that HTTP does not allow`;
  }
}

/**
 * Returns the second argument for `new WebSocket`. The standard knows only
 * subprotocols there. Deno, Bun and Node.js also take an object with headers. A
 * browser turns such an object into a string, which throws.
 *
 * @throws {TypeError} If a header is not valid.
 */
export function handshakeOptions(
  { protocols = [], headers = {}, client }: ConverseOptions,
): string[] {
  const entries = Object.entries(headers);
  if (entries.length === 0 && client === undefined) return protocols;
  for (const [name, value] of entries) {
    const problem = checkHeader(name, value);
    if (problem !== undefined) throw new TypeError(problem);
  }
  const options = {
    protocols,
    headers,
    client,
    toString() {
      throw new TypeError(
        "a browser sends no other headers with a WebSocket than its own",
      );
    },
  };
  return options as unknown as string[];
}
