/**
 * Says in plain words what an HTTP answer to an opening handshake means.
 *
 * @module
 */

import { printable } from "../shared/printable.ts";
import type { Answer } from "./second_handshake.ts";

/** How many characters of a redirect's target or of a body are shown. */
const SHOWN = 200;

const NO_SERVER_BEHIND_PROXY =
  "perhaps a proxy answers, and the server behind it does not";

/** What the statuses mean for somebody who wants a WebSocket. */
const HINTS: Record<number, string> = {
  401: 'to send credentials: --header "Authorization: Bearer TOKEN"',
  403: "to send credentials or another Origin: --header",
  407: "the proxy wants credentials",
  426: "a proxy in between may drop the Upgrade header",
  502: NO_SERVER_BEHIND_PROXY,
  503: NO_SERVER_BEHIND_PROXY,
  504: NO_SERVER_BEHIND_PROXY,
};

/**
 * Returns why an HTTP answer did not open a connection.
 *
 * @param url The URL of the WebSocket, without credentials.
 * @param answer The answer.
 */
export function describeHTTPAnswer(url: string, answer: Answer): string {
  const { status, location } = answer;
  if (status === 101) {
    return "The opening handshake failed, although the server answered HTTP 101 (try again)";
  }
  const target = location === undefined ? "" : ` to ${shorten(location)}`;
  const reason = reasonIn(answer);
  const hint = hintAboutTLS(url, answer) ?? hintFor(status, reason);
  return `The server answered HTTP ${status}${target} instead of 101` +
    (reason === "" ? "" : `: ${shorten(reason)}`) +
    (hint === undefined ? "" : ` (${hint})`);
}

/** Returns the first line of a text, or JSON as one line. Not of HTML. */
function reasonIn({ type = "", body = "" }: Answer): string {
  const text = body.trim();
  if (/^application\/([\w.-]+\+)?json\b/i.test(type)) {
    return text.replace(/\s+/g, " ");
  }
  const isText = type === "" || /^text\/(?!html\b)/i.test(type);
  if (!isText || /^<(!doctype|html)\b/i.test(text)) return "";
  return text.split(/[\r\n]/, 1)[0]!;
}

/** Returns the URL to try if the answer is that ws: should be wss:. */
function hintAboutTLS(
  url: string,
  { status, location, body = "" }: Answer,
): string | undefined {
  if (url.startsWith("wss:")) return;
  const target = URL.parse(location ?? url, url.replace(/^ws/, "http"));
  if (target?.protocol === "https:") {
    return `try ${shorten(target.href.replace(/^http/, "ws"))}`;
  }
  // nginx and Go say this when plain HTTP comes to a port that wants TLS.
  if (status === 400 && /plain HTTP|HTTP request to an HTTPS/i.test(body)) {
    return `try ${url.replace(/^ws/, "wss")}`;
  }
}

/** Returns what a status means, unless the reason contradicts it. */
function hintFor(status = 0, reason: string): string | undefined {
  const hint = HINTS[status];
  // A server that gives its reason is there.
  return hint === NO_SERVER_BEHIND_PROXY && reason !== "" ? undefined : hint;
}

/** Returns the beginning of a foreign text, safe to print. */
function shorten(text: string): string {
  return printable(text.slice(0, SHOWN)) + (text.length > SHOWN ? "…" : "");
}
