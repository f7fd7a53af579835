/**
 * Sends headers with an opening handshake, where that is possible.
 *
 * @module
 */

import { isToken } from "../shared/token.ts";

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
 * Takes what may be secret out of a text of the server, which may repeat what it
 * was sent: the values of headers, the tokens in them, and the password of the
 * URL. Only the Origin may be shown.
 */
export function withoutSecrets(
  text: string,
  url: string,
  headers: Record<string, string> = {},
): string {
  const { username, password } = new URL(url);
  const values = Object.entries(headers)
    .filter(([name]) => name.toLowerCase() !== "origin")
    .map(([, value]) => value);
  if (password !== "") values.push(password, btoa(`${username}:${password}`));
  return values
    .flatMap((value) => [value, ...value.split(/[\s;,=]+/)])
    // Shorter ones are no secrets, and occur in ordinary words.
    .filter((secret) => secret.length >= 6)
    .reduce((rest, secret) => rest.replaceAll(secret, "…"), text);
}

/**
 * Returns the second argument for `new WebSocket`: the subprotocols and, if
 * there are any, the headers. Deno, Bun and Node.js take headers. A browser takes
 * no object here and turns it into a string, which throws.
 *
 * @throws {TypeError} If a header is not valid.
 */
export function withHeaders(
  protocols: string[],
  headers?: Record<string, string>,
): string[] {
  const entries = Object.entries(headers ?? {});
  if (entries.length === 0) return protocols;
  for (const [name, value] of entries) {
    const problem = checkHeader(name, value);
    if (problem !== undefined) throw new TypeError(problem);
  }
  const options = {
    protocols,
    headers,
    toString() {
      throw new TypeError(
        "a browser sends no other headers with a WebSocket than its own",
      );
    },
  };
  // The standard knows only subprotocols.
  return options as unknown as string[];
}
