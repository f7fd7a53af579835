// Says in plain words what an HTTP response to an opening handshake means.

import { describeCauses, type Facts } from "./causes.ts";
import { decodeHTML, type Show, show } from "./secrets.ts";
import type { HandshakeResponse } from "./second_handshake.ts";

/** What says no more than the status does, in texts, in titles and in JSON. */
const STATUS_WORDS =
  /\b(\d+|ok|moved|permanently|found|gone|see other|temporar(il)?y|redirect|bad request|unauthorized|forbidden|not (found|allowed|acceptable|implemented)|method|(proxy )?auth\w+ required|upgrade required|too many requests|internal server|bad gateway|service|unavailable|gateway time-?out|http|version not supported|page|response|server error|the requested url could not be retrieved|connection failed|could not connect|error|status ?(code)?|code|message|detail)\b/gi;

/**
 * Returns why an HTTP response did not open a connection.
 *
 * @param facts What else is known, such as the URL.
 */
export function describeResponse(
  facts: Facts,
  response: HandshakeResponse,
  showText: Show = show,
): string {
  const { status, location, server = "" } = response;
  if (status === 101) {
    return "The opening handshake failed, although the server answered HTTP 101 (try again)";
  }
  const who = server === "" ? "" : ` (${showText(server.slice(0, 50))})`;
  const target = location === undefined ? "" : ` to ${showText(location)}`;
  const reason = reasonIn(response);
  const causes = describeCauses({
    ...facts,
    ...response,
    reason,
    other: otherURL(facts, response, showText),
  });
  return `The server${who} answered HTTP ${status}${target} instead of 101` +
    (reason === "" ? "" : `: ${showText(reason)}`) + causes;
}

/**
 * Returns the reason in a body: JSON as one line, the title or the message of
 * HTML, or the first line of another text. A page that was found gives none, and
 * the title of one that was not is often the name of the site. Deno does not tell
 * the reason phrase of a status line.
 */
function reasonIn(
  { status = 0, type = "", body = "" }: HandshakeResponse,
): string {
  if (status < 300) return "";
  const text = body.trim();
  let reason = text.split(/[\r\n]/, 1)[0]!;
  if (/^application\/([\w.-]+\+)?json\b/i.test(type)) {
    reason = text.replace(/\s+/g, " ");
  } else if (/<[a-z!]/i.test(text)) {
    const title = status === 404
      ? undefined
      : /<title[^>]*>([^<]*)/i.exec(text);
    const [, words = ""] = /<p>Message: ([^<]*)/.exec(text) ?? title ?? [];
    reason = decodeHTML(words.replace(/\s+/g, " ").trim());
  }
  const rest = reason.replace(STATUS_WORDS, "");
  if (!/[\p{L}\p{N}]/u.test(rest)) return "";
  return reason.replace(new RegExp(`^${status}\\b[\\s:-]*`), "");
}

/** Returns the URL to try if the response says that ws: should be wss:. */
function otherURL(
  { url }: Facts,
  { status, location, body = "" }: HandshakeResponse,
  showText: Show,
): string | undefined {
  if (url.startsWith("wss:")) return;
  const target = URL.parse(location ?? url, url.replace(/^ws/, "http"));
  // The parser may have written a secret in another way.
  const isSafe = showText(location ?? "") === show(location ?? "");
  const isElsewhere = target?.protocol === "https:" ||
    (status === 301 && /^http:/i.test(location ?? ""));
  const other = target?.href.replace(/^http/, "ws") ?? "";
  if (isSafe && isElsewhere && showText(other) === show(other)) {
    return show(other);
  }
  // nginx and Go say this when plain HTTP comes to a port that wants TLS.
  if (status === 400 && /plain HTTP|HTTP request to an HTTPS/i.test(body)) {
    return url.replace(/^ws/, "wss");
  }
}
