/**
 * Makes what came over the wire safe to print.
 *
 * @module
 */

/**
 * Control characters, line and paragraph separators, lone surrogates, and the
 * bidirectional embeddings, overrides and isolates of Unicode (UAX #9): what
 * could move a cursor, start a line of its own, or make a line read backwards.
 * The marks that right-to-left text needs and the joiners of emoji are not
 * among them.
 */
const UNSAFE = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\u202a-\u202e\u2066-\u2069]/gu;

const SHORT: Record<string, string> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** How many bytes of a binary message are shown. */
const SHOWN_BYTES = 16;

/**
 * Returns a message, a close reason or any other foreign text as one line that
 * neither a terminal nor a reader of a log can mistake for anything else.
 *
 * @param data Text, whose unsafe characters come out escaped as in a JavaScript
 * string and everything else as it is; or bytes, of which the number and the
 * first 16 come out, in hexadecimal.
 *
 * @example
 * ```ts
 * import { printable } from "./printable.ts";
 *
 * printable("two\nlines \u{1b}[31m"); // two\nlines \u001b[31m
 * printable(new Uint8Array([0, 255]).buffer); // 2 bytes: 00 ff
 * ```
 */
export function printable(data: string | ArrayBuffer): string {
  if (typeof data === "string") return data.replace(UNSAFE, escape);
  const count = `${data.byteLength} byte${data.byteLength === 1 ? "" : "s"}`;
  const bytes = [...new Uint8Array(data).subarray(0, SHOWN_BYTES)];
  if (bytes.length === 0) return count;
  const hex = bytes.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
  return `${count}: ${hex}${data.byteLength > SHOWN_BYTES ? " …" : ""}`;
}

/** Every unsafe character is below U+10000: four digits always do. */
function escape(character: string): string {
  return SHORT[character] ??
    `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
