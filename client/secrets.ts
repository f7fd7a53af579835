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
  headers: ConverseOptions["headers"] = {},
): Show {
  const secrets = [...secretsInURL(url), ...secretsInHeaders(headers)]
    .flatMap((secret) => [secret, attempt(decodeURIComponent, secret)])
    .filter((secret) => secret.length >= MIN_SECRET)
    .map((secret) => secret.toLowerCase());
  return (text) => {
    const shown = hide(
      text.slice(0, MAX_SEARCHED).replaceAll("\\/", "/"), // as JSON may have it
      secrets,
    );
    const isSafe = formsOf(shown).every((form) => hide(form, secrets) === form);
    return isSafe ? show(shown) : "… (it repeats a secret that it was sent)";
  };
}

/** Replaces each part of a secret, in either case, by "…". */
function hide(text: string, secrets: string[]): string {
  const lower = text.toLowerCase();
  // A few characters have another length in lower case.
  if (lower.length !== text.length) return hide(lower, secrets);
  let shown = "";
  for (let i = 0; i < text.length;) {
    let end = i;
    for (const secret of secrets) {
      let next = i + Math.min(MIN_PART, secret.length);
      if (next > text.length || !secret.includes(lower.slice(i, next))) {
        continue;
      }
      while (next < text.length && secret.includes(lower.slice(i, next + 1))) {
        next++;
      }
      end = Math.max(end, next);
    }
    shown += end > i ? "…" : text[i];
    i = Math.max(end, i + 1);
  }
  return shown;
}

/** Returns a text as it is when it is decoded, and what its base64 says. */
function formsOf(text: string): string[] {
  const decoded = text
    .replace(/(%[\da-f]{2})+/gi, (run) => attempt(decodeURIComponent, run))
    .replace(/\\u([\da-f]{4})/gi, "&#x$1;")
    .replace(/\\(?=["\\])/g, "");
  const runs = text.match(/[\w+/-]{11,}/g) ?? [];
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
    /&(?:#x([\da-f]{1,4})|#(\d{1,4})|(\w+));/gi,
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
