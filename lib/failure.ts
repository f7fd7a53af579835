/**
 * Says in plain words how a WebSocket failed.
 *
 * @module
 */

import type { Answer } from "./ask.ts";
import { printable } from "./printable.ts";

/** A conversation with a WebSocket server that failed. */
export class ConversationError extends Error {
  /** Always "ConversationError". */
  override name = "ConversationError";

  /**
   * Makes the error with a message of one line.
   *
   * @param url The URL of the server.
   * @param problem What happened, in one line.
   */
  constructor(url: string, problem: string) {
    super(`${url}: ${problem}`);
  }
}

/**
 * The names of the close codes, from RFC 6455 section 7.4.1 and IANA's WebSocket
 * Close Code Number Registry.
 */
const CLOSE_CODES: Record<number, string> = {
  1000: "normal closure",
  1001: "going away",
  1002: "protocol error",
  1003: "unsupported data",
  1005: "no status received",
  1006: "abnormal closure",
  1007: "invalid frame payload data",
  1008: "policy violation",
  1009: "message too big",
  1010: "mandatory extension",
  1011: "internal error",
  1012: "service restart",
  1013: "try again later",
  1014: "bad gateway",
  1015: "TLS handshake",
  3000: "unauthorized",
  3003: "forbidden",
  3008: "timeout",
};

/** What the operating systems say when the other end has closed a connection. */
const DROPPED =
  /EOF|reset|broken pipe|aborted|forcibly closed|closed before|canceled/i;

/** How many characters of a redirect's target are shown. */
const SHOWN_LOCATION = 200;

/**
 * Returns how a connection was closed, as in `1011 (internal error) "boom"`.
 *
 * @param event The close event. Deno's code 0 is shown as 1006, which the
 * standard wants when no close frame came (RFC 6455 section 7.1.5).
 */
export function describeClose(
  event: Pick<CloseEvent, "code" | "reason">,
): string {
  const code = event.code === 0 ? 1006 : event.code;
  const name = CLOSE_CODES[code] ??
    (code >= 4000 ? "private use" : "unregistered");
  const reason = event.reason === "" ? "" : ` "${printable(event.reason)}"`;
  return `${code} (${name})${reason}`;
}

/**
 * Returns how an open connection ended without a close frame.
 *
 * @param message The `message` of the error event, as for
 * {@linkcode describeRefusal}.
 */
export function describeDrop(message: string): string {
  if (/Failed to send frame/.test(message)) {
    return "The server had closed the connection when a message was sent";
  }
  const more = message === "" || DROPPED.test(message)
    ? ""
    : `: ${printable(message)}`;
  return `The connection dropped, no close frame came (1006)${more}`;
}

/**
 * Returns what is wrong with the subprotocol or the extensions that the server
 * chose (RFC 6455 section 4.1), or undefined. Browsers fail such a connection.
 *
 * @param socket An open connection.
 * @param offered The subprotocols that were offered.
 */
export function describeWrongChoice(
  socket: Pick<WebSocket, "protocol" | "extensions">,
  offered: string[],
): string | undefined {
  const { protocol, extensions } = socket;
  if (protocol === "" && offered.length > 0) {
    return "The server chose none of the subprotocols that were offered";
  }
  if (protocol !== "" && !offered.includes(protocol)) {
    return `The server chose a subprotocol that was not offered: ${
      printable(protocol)
    }`;
  }
  // Browsers offer extensions by themselves. Deno offers none.
  if (extensions !== "" && "Deno" in globalThis) {
    return `The server chose an extension that was not offered: ${
      printable(extensions)
    }`;
  }
}

/**
 * Returns why a connection did not open. In Deno, the server may be asked once
 * more to find that out.
 *
 * @param url The URL of the socket.
 * @param message The `message` of the error event. Deno says the cause there; a
 * browser has no such property, because scripts must not know the cause (WHATWG
 * WebSockets, "feedback from the protocol").
 * @param protocols The subprotocols that were offered.
 * @param timeout Milliseconds to wait for an answer.
 */
export async function describeRefusal(
  url: string,
  message: string,
  protocols: string[],
  timeout: number,
): Promise<string> {
  if (message === "") return "Could not connect (the cause is not known here)";
  const problem = message.replace(/^.*failed to connect to WebSocket: /, "");
  const status = /Invalid status code: (\d+)/.exec(problem)?.[1];
  const secure = url.startsWith("wss:");
  const known = describeNetwork(url, problem);
  if (known !== undefined) return known;
  const told = status === undefined ? { problem } : { status: Number(status) };
  // What Deno tells is about another attempt, or lacks the target of a redirect.
  if ((secure || status?.startsWith("3")) && "Deno" in globalThis) {
    const { ask } = await import("./ask.ts");
    const answer = await ask(url, protocols, timeout);
    if (secure || answer.status !== undefined) {
      return describeAnswer(url, answer);
    }
  }
  return describeAnswer(url, told);
}

/**
 * Returns why the host name, the TCP connection or the TLS handshake failed, or
 * undefined if they did not.
 */
function describeNetwork(url: string, problem: string): string | undefined {
  if (/opening CA file/.test(problem)) {
    return `The file given with --cert cannot be used: ${printable(problem)}`;
  }
  if (/dns error/.test(problem)) {
    return `Host "${new URL(url).hostname}" not found (check the spelling)`;
  }
  if (/tcp connect error/.test(problem)) {
    return "Connection refused or host unreachable (is the server running?)";
  }
  if (/certificate expired/.test(problem)) {
    return "The server's TLS certificate has expired";
  }
  if (/not valid for name/.test(problem)) {
    const name = /valid for \w+\("([^"]*)"\)/.exec(problem)?.[1];
    return "The server's TLS certificate is for another host name" +
      (name === undefined ? "" : `: ${printable(name)}`);
  }
  if (/UnknownIssuer/.test(problem)) {
    return "The server's TLS certificate is from an unknown authority " +
      "(for a private one: deno run --cert CA.pem)";
  }
  if (/invalid peer certificate/.test(problem)) {
    return `The server's TLS certificate is not valid: ${printable(problem)}`;
  }
  if (/corrupt message/.test(problem)) {
    return `The server does not speak TLS there (try ${otherScheme(url)})`;
  }
}

/** Returns why the answer to a handshake did not open a connection. */
function describeAnswer(
  url: string,
  { status, location, problem = "" }: Answer,
): string {
  const secure = url.startsWith("wss:");
  if (status === 101) {
    return "The opening handshake failed, although the server answered HTTP 101 (try again)";
  }
  if (status !== undefined) {
    const target = location === undefined
      ? ""
      : ` to ${printable(location.slice(0, SHOWN_LOCATION))}`;
    // This is what a TLS port answers to plain HTTP, if it answers at all.
    const hint = status === 400 && !secure
      ? ` (if it wants TLS, try ${otherScheme(url)})`
      : "";
    return `The server answered HTTP ${status}${target} instead of 101${hint}`;
  }
  if (/parsed/.test(problem)) {
    return "The server's answer is not HTTP" +
      (secure ? "" : ` (if it speaks TLS, try ${otherScheme(url)})`);
  }
  if (/aborted due to timeout/.test(problem)) {
    return "The opening handshake failed, and another one was not answered (timed out)";
  }
  if (/NoApplicationProtocol/.test(problem)) {
    return "The server does not accept HTTP/1.1, which a WebSocket begins with";
  }
  if (DROPPED.test(problem)) {
    return "The server closed the connection without an answer" +
      (secure ? "" : ` (if it wants TLS, try ${otherScheme(url)})`);
  }
  return `The opening handshake failed: ${printable(problem)}`;
}

/** Returns the URL with ws: instead of wss:, or the other way round. */
function otherScheme(url: string): string {
  return url.startsWith("wss:")
    ? url.replace(/^wss/, "ws")
    : url.replace(/^ws/, "wss");
}
