// Shows what a server says, without the secrets that it was sent.

import { printable } from "../shared/printable.ts";
import type { ConverseOptions } from "./options.ts";

/** How many characters of a foreign text are shown. */
const MAX_SHOWN = 200;

/** How many are searched for secrets. */
const MAX_SEARCHED = 2000;

/** Shorter texts occur by chance, too, and the gaps would reveal them. */
const MIN_SECRET = 4;

/** So many characters in a row are hidden, of a secret that is longer. */
const MIN_PART = 8;

/** Returns the beginning of a foreign text as one line that is safe to print. */
export const show = (text: string): string =>
  printable(text.slice(0, MAX_SHOWN)) + (text.length > MAX_SHOWN ? "…" : "");

/** A function that does so, and may leave something out. */
export type Show = typeof show;

/**
 * Returns what shows a text of a server, which may repeat what it was sent. What
 * may be secret of the URL and the headers is shown as "…". If a part of it is
 * still there in another form, as in URLs, JSON, HTML or base64, nothing of the
 * text is shown.
 */
export function showWithoutSecrets(
  url: string,
  { headers = {}, protocols = [] }: ConverseOptions = {},
): Show {
  const secrets = [...secretsInURL(url), ...secretsInHeaders(headers)]
    // A long subprotocol may be a token, too.
    .concat(protocols.filter(({ length }) => length > 2 * MIN_PART))
    .flatMap((secret) => [secret, attempt(decodeURIComponent, secret)])
    .filter((secret) => secret.length >= MIN_SECRET);
  const parts = new Set(secrets.flatMap(partsOf));
  return (text) => {
    // JSON may have "\\/" for "/".
    const start = text.slice(0, MAX_SEARCHED).replaceAll("\\/", "/");
    const shown = hide(start, parts);
    const isSafe = formsOf(formsOf(shown).join("\n"))
      .every((form) => hide(form, parts) === form);
    return isSafe ? show(shown) : "… (it repeats a secret that it was sent)";
  };
}

/** Returns all parts of a secret that are to be hidden, in lower case. */
function partsOf(secret: string): string[] {
  const lower = secret.toLowerCase();
  const length = Math.min(MIN_PART, lower.length);
  return Array.from(
    { length: lower.length - length + 1 },
    (_, i) => lower.slice(i, i + length),
  );
}

/** Replaces parts, in either case, by "…". */
function hide(text: string, parts: Set<string>): string {
  let shown = "";
  let end = 0;
  for (let i = 0; i < text.length; i++) {
    for (let length = MIN_SECRET; length <= MIN_PART; length++) {
      const part = text.slice(i, i + length).toLowerCase();
      if (parts.has(part)) end = Math.max(end, i + length);
    }
    if (i >= end) shown += text[i];
    else if (!shown.endsWith("…")) shown += "…";
  }
  return shown;
}

/** Returns a text as it is when it is decoded, and what its base64 says. */
function formsOf(text: string): string[] {
  const decoded = text
    .replace(/(%[\da-f]{2})+/gi, (run) => attempt(decodeURIComponent, run))
    .replace(/(?:%|\\x)([\da-f]{2})|\\u([\da-f]{4})/gi, "&#x$1$2;")
    .replace(/\\(?=["\\])/g, "");
  const runs = [/[\w+/-]{11,}/g, /[\w+-]{11,}/g]
    .flatMap((pattern) => text.match(pattern) ?? []);
  return [
    decodeHTML(decoded),
    ...runs.map((run) =>
      attempt(atob, run.replaceAll("-", "+").replaceAll("_", "/"))
    ),
  ];
}

const NAMED = new Map(
  Object.entries({ amp: "&", quot: '"', lt: "<", gt: ">" }),
);

/** Returns a text without the references to characters of HTML. */
export function decodeHTML(text: string): string {
  return text.replace(
    /&(?:#x0*([\da-f]{1,4})|#0*(\d{1,5})|(\w+));/gi,
    (whole, hex, number, name) =>
      NAMED.get(name?.toLowerCase()) ??
        (name ? whole : String.fromCharCode(hex ? parseInt(hex, 16) : number)),
  );
}

/** Returns the password and what holds it. It is sent decoded. */
function secretsInURL(url: string): string[] {
  const { username, password } = new URL(url);
  const pair = attempt(decodeURIComponent, `${username}:${password}`);
  const basic = btoa(String.fromCharCode(...new TextEncoder().encode(pair)));
  return [
    ...(password === "" ? [] : [password, basic]),
    // A long name may be a token.
    ...(username.length < 2 * MIN_PART ? [] : [username, basic]),
  ];
}

/** Returns what a function makes of a text, or the text if it cannot. */
function attempt(decode: (text: string) => string, text: string): string {
  try {
    return decode(text);
  } catch {
    return text;
  }
}

/**
 * Returns the values of headers other than Origin, and what they consist of: of
 * `Bearer abc` it is `abc`, of `a; b="c"` it is `a` and `c`, and of `Basic` the
 * decoded password, too. The names of schemes and cookies are no secrets.
 */
function secretsInHeaders(headers: Record<string, string>): string[] {
  return Object.entries(headers)
    .filter(([name]) => name.toLowerCase() !== "origin")
    .flatMap(([name, value]) => {
      const rest = /authorization$/i.test(name)
        ? value.replace(/^[\w-]+ +(?=\S)/, "")
        : value;
      const parts = rest.split(/[;,]/).map((part) =>
        part.trim().replace(/^[\w.-]+=(?=[^=])/, "").replaceAll('"', "")
      );
      const decoded = attempt(atob, rest);
      if (decoded === rest) return parts;
      return [...parts, decoded.replace(/^[^:]*:/, "")];
    });
}
