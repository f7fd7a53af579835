// Says in plain words what an HTTP response to an opening handshake means.

import { type Show, show } from "./secrets.ts";
import type { HandshakeResponse } from "./second_handshake.ts";

const NO_SERVER_BEHIND_PROXY =
  "perhaps a proxy answers, and the server behind it does not";

/** What the statuses mean for somebody who wants a WebSocket. */
const HINTS: Record<number, string> = {
  401:
    'to send credentials: --header "Authorization: Bearer TOKEN"; or the Origin is wrong',
  403: "to send credentials or another Origin: --header; or the path is wrong",
  407: "the proxy wants credentials",
  426: "a proxy in between may drop the Upgrade header",
  502: NO_SERVER_BEHIND_PROXY,
  503: NO_SERVER_BEHIND_PROXY,
  504: NO_SERVER_BEHIND_PROXY,
};

/** What any other status means, if the server gives no reason. */
const NO_WEBSOCKET_THERE =
  "a wrong path or subprotocol, or a proxy that drops Upgrade";

/** What says no more than the status does, in texts, in titles and in JSON. */
const STATUS_WORDS =
  /\b(\d{3}|ok|moved|permanently|found|gone|see other|temporar(il)?y|redirect|bad request|unauthorized|forbidden|not (found|allowed|acceptable|implemented)|method|(proxy )?auth\w+ required|upgrade required|too many requests|internal server|bad gateway|service|unavailable|gateway time-?out|http|version not supported|page|error|status ?(code)?|code|message|detail)\b/gi;

/** The characters that HTML must escape, by their names. */
const ENTITIES: Record<string, string> = {
  "&lt;": "<",
  "&gt;": ">",
  "&quot;": '"',
  "&#39;": "'",
  "&amp;": "&",
};

/**
 * Returns why an HTTP response did not open a connection.
 *
 * @param url The URL of the WebSocket, without credentials.
 */
export function describeResponse(
  url: string,
  response: HandshakeResponse,
  showText: Show = show,
): string {
  const { status, location } = response;
  if (status === 101) {
    return "The opening handshake failed, although the server answered HTTP 101 (try again)";
  }
  const target = location === undefined ? "" : ` to ${showText(location)}`;
  const reason = reasonIn(response);
  const hint = hintAboutTLS(url, response, showText) ??
    hintFor(url, response, reason);
  return `The server answered HTTP ${status}${target} instead of 101` +
    (reason === "" ? "" : `: ${showText(reason)}`) +
    (hint === undefined ? "" : ` (${hint})`);
}

/**
 * Returns the reason in a body: JSON as one line, the title of HTML, or the first
 * line of another text. Deno does not tell the reason phrase of a status line.
 */
function reasonIn(
  { type = "", body = "" }: HandshakeResponse,
): string {
  const text = body.trim();
  let reason = text.split(/[\r\n]/, 1)[0]!;
  if (/^application\/([\w.-]+\+)?json\b/i.test(type)) {
    reason = text.replace(/\s+/g, " ");
  } else if (/<[a-z!]/i.test(text)) {
    reason = (/<title[^>]*>([^<]*)/i.exec(text)?.[1] ?? "")
      .replace(/\s+/g, " ").trim()
      .replace(/&\w+;|&#39;/g, (entity) => ENTITIES[entity] ?? entity);
  }
  const rest = reason.replace(STATUS_WORDS, "");
  return /[\p{L}\p{N}]/u.test(rest) ? reason : "";
}

/** Returns the URL to try if the response says that ws: should be wss:. */
function hintAboutTLS(
  url: string,
  { status, location, body = "" }: HandshakeResponse,
  showText: Show,
): string | undefined {
  if (url.startsWith("wss:")) return;
  const target = URL.parse(location ?? url, url.replace(/^ws/, "http"));
  // The parser may have written a secret in another way.
  const isSafe = showText(location ?? "") === show(location ?? "");
  if (isSafe && target?.protocol === "https:") {
    return `try ${show(target.href.replace(/^http/, "ws"))}`;
  }
  // nginx and Go say this when plain HTTP comes to a port that wants TLS.
  if (status === 400 && /plain HTTP|HTTP request to an HTTPS/i.test(body)) {
    return `try ${url.replace(/^ws/, "wss")}`;
  }
}

/** Returns what a response means, unless the reason contradicts it. */
function hintFor(
  url: string,
  { status = 0, location, authenticate = "" }: HandshakeResponse,
  reason: string,
): string | undefined {
  if (/No required SSL certificate/.test(reason)) {
    return "it wants a client certificate: --client-cert and --client-key";
  }
  if (status === 401 && /^basic\b/i.test(authenticate)) {
    return `to send credentials: ${url.replace("//", "//USER:PASSWORD@")}`;
  }
  const hint = HINTS[status];
  // A server that gives its reason is there.
  if (hint === NO_SERVER_BEHIND_PROXY && reason !== "") return;
  if (hint !== undefined) return hint;
  return reason === "" && location === undefined
    ? NO_WEBSOCKET_THERE
    : undefined;
}
