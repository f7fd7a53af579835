// Makes text and bytes that came over the network safe to print.

/**
 * Control characters, line and paragraph separators, lone surrogates, and the
 * bidirectional embeddings, overrides and isolates of Unicode (UAX #9). They
 * can move the cursor, start a new line, or make a line read backwards. The
 * marks that right-to-left text needs and the joiners of emoji stay.
 */
const UNSAFE = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\u202a-\u202e\u2066-\u2069]/gu;

const SHORT: Record<string, string> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** How many bytes of a binary message are shown. */
const MAX_BYTES = 16;

/** How many characters of a text are shown. */
const MAX_CHARACTERS = 10_000;

/**
 * Returns a message, a close reason or any other foreign text as a single line
 * without control characters. The result is for reading: a backslash is not
 * escaped, so it cannot be turned back into the original.
 *
 * @param data Text: unsafe characters are escaped as in a JavaScript string, and
 * all others stay. Or bytes: their number and the first 16 in hexadecimal are
 * shown.
 * @param most How many characters of a text are shown. If there are more, their
 * number follows.
 */
export function printable(
  data: string | ArrayBuffer | Uint8Array<ArrayBuffer>,
  most: number = MAX_CHARACTERS,
): string {
  if (!(data instanceof ArrayBuffer || ArrayBuffer.isView(data))) {
    // Where types are not checked, anything may come: a WebSocket sends its text.
    const text = String(data);
    const shown = text.slice(0, most).replace(UNSAFE, escape);
    return text.length <= most
      ? shown
      : `${shown}… (${text.length.toLocaleString("en")} characters)`;
  }
  const count = `${data.byteLength} byte${data.byteLength === 1 ? "" : "s"}`;
  const bytes = [...new Uint8Array(data).subarray(0, MAX_BYTES)];
  if (bytes.length === 0) return count;
  const hex = bytes.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
  return `${count}: ${hex}${data.byteLength > MAX_BYTES ? " …" : ""}`;
}

/** Returns an escape sequence. All unsafe characters are below U+10000. */
function escape(character: string): string {
  return SHORT[character] ??
    `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
