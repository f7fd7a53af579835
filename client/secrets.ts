// Shows what a server says, without the secrets that it was sent.

import { printable } from "../shared/printable.ts";
import type { ConverseOptions } from "./options.ts";

/** How many characters of a foreign text are shown. */
const MAX_SHOWN = 200;

/** How many are searched for secrets. */
const MAX_SEARCHED = 2000;

/** Shorter texts occur by chance, too, and the gaps would reveal them. */
const MIN_SECRET = 4;

/**
 * A secret of so many characters may be a token. A close reason may have room
 * only for its beginning: eight characters of it are hidden, too.
 */
const MIN_TOKEN = 16;

/** Returns the beginning of a foreign text as one line that is safe to print. */
export const show = (text: string): string =>
  printable(text.slice(0, MAX_SHOWN)) + (text.length > MAX_SHOWN ? "…" : "");

/** A function that does so, and may leave something out. */
export type Show = typeof show;

/**
 * Returns what shows a text of a server, which may repeat what it was sent. What
 * may be secret of the URL and the headers is shown as "…", also in the forms in
 * which JSON and URLs have it.
 */
export function showWithoutSecrets(
  url: string,
  headers: ConverseOptions["headers"] = {},
): Show {
  const secrets = [...secretsInURL(url), ...secretsInHeaders(headers)]
    .flatMap((secret) => [secret, attempt(decodeURIComponent, secret)])
    .filter((secret) => secret.length >= MIN_SECRET)
    .flatMap((secret) => [
      secret,
      secret.replaceAll("/", "\\/"),
      encodeURIComponent(secret),
    ])
    // A secret may begin with another one.
    .sort((a, b) => b.length - a.length);
  return (text) => {
    const rest = secrets.reduce(
      (rest, secret) => rest.replaceAll(secret, "…"),
      text.slice(0, MAX_SEARCHED),
    );
    return show(
      secrets.filter(({ length }) => length >= MIN_TOKEN)
        .reduce(hideBeginning, rest),
    );
  };
}

function hideBeginning(text: string, token: string): string {
  const start = text.indexOf(token.slice(0, 8));
  if (start < 0) return text;
  let end = start;
  while (end < text.length && text[end] === token[end - start]) end++;
  return `${text.slice(0, start)}…${hideBeginning(text.slice(end), token)}`;
}

/** Returns the password and what holds it. It is sent decoded. */
function secretsInURL(url: string): string[] {
  const { username, password } = new URL(url);
  const pair = attempt(decodeURIComponent, `${username}:${password}`);
  const basic = btoa(String.fromCharCode(...new TextEncoder().encode(pair)));
  return [
    ...(password === "" ? [] : [password, basic]),
    ...(username.length < MIN_TOKEN ? [] : [username, basic]),
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
 * Returns the values of headers other than Origin, or what they consist of: of
 * `Bearer abc` it is `abc`, of `a=b; c="d"` it is `b` and `d`, and of `Basic` the
 * decoded password, too. The names of schemes and cookies are no secrets.
 */
function secretsInHeaders(headers: Record<string, string>): string[] {
  return Object.entries(headers)
    .filter(([name]) => name.toLowerCase() !== "origin")
    .flatMap(([name, value]) => {
      const rest = value.replace(/^[\w-]+ +(?=\S)/, "");
      // The padding of base64 is no value.
      const values = rest.split(/[;,]/)
        .flatMap((part) =>
          /^[^=]+="?([^="][^"]*)/.exec(part.trim())?.[1] ?? []
        );
      if (values.length > 0) return values;
      const password = attempt(atob, rest).replace(/^[^:]*:/, "");
      return [/authorization$/i.test(name) ? rest : value, rest, password];
    });
}
