// Shows what a server says, without the secrets that it was sent.

import { printable } from "../shared/printable.ts";
import type { ConverseOptions } from "./options.ts";

/** How many characters of a foreign text are shown. */
const MAX_SHOWN = 200;

/** Shorter texts occur by chance, too, and the gaps would reveal them. */
const MIN_SECRET = 4;

/** A user name of so many characters may be a token. */
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
    .filter((secret) => secret.length >= MIN_SECRET)
    .flatMap((secret) => [
      secret,
      secret.replaceAll("/", "\\/"),
      encodeURIComponent(secret),
    ])
    // A secret may begin with another one.
    .sort((a, b) => b.length - a.length);
  return (text) =>
    show(secrets.reduce((rest, secret) => rest.replaceAll(secret, "…"), text));
}

/** Returns the password and what holds it. It is sent decoded. */
function secretsInURL(url: string): string[] {
  const { username, password } = new URL(url);
  const [name, secret] = [decode(username), decode(password)];
  const bytes = new TextEncoder().encode(`${name}:${secret}`);
  const basic = btoa(String.fromCharCode(...bytes));
  return [
    ...(secret === "" ? [] : [password, secret, basic]),
    ...(name.length < MIN_TOKEN ? [] : [username, name, basic]),
  ];
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * Returns the values of headers other than Origin, and what they consist of: of
 * `Bearer abc` it is `abc`, and of `a=b; c="d"` it is `b` and `d`. So the names
 * of schemes and cookies are no secrets.
 */
function secretsInHeaders(headers: Record<string, string>): string[] {
  return Object.entries(headers)
    .filter(([name]) => name.toLowerCase() !== "origin")
    .flatMap(([name, value]) => {
      const rest = value.replace(/^[\w-]+ +(?=\S)/, "");
      // The padding of base64 is no value.
      const values = rest.split(/[;,]/)
        .map((part) => /^[^=]+="?([^="][^"]*)/.exec(part.trim())?.[1] ?? "");
      return [/authorization$/i.test(name) ? rest : value, rest, ...values];
    });
}
