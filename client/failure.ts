/**
 * Says in plain words how a WebSocket failed.
 *
 * @module
 */

import { printable } from "../shared/printable.ts";
import { withoutSecrets } from "./headers.ts";
import { describeHTTPAnswer } from "./refusal.ts";
import type { HandshakeRequest } from "./second_handshake.ts";

/** A conversation with a WebSocket server that failed. */
export class ConversationError extends Error {
  /** Always "ConversationError". */
  override name = "ConversationError";

  /**
   * Makes the error with a message of one line.
   *
   * @param url The URL of the server. It is shown without its user name and
   * password. Its query is shown as it is, because it is what one looks for: if
   * it holds a secret, do not publish the message.
   * @param problem What happened, in one line.
   */
  constructor(url: string, problem: string) {
    super(`${printable(withoutCredentials(url))}: ${problem}`);
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

/**
 * What Deno says when the other end has closed or reset a connection. The
 * numbers are for Windows, which says it in the user's language.
 */
const DROPPED =
  /EOF|reset|broken pipe|aborted|forcibly closed|closed before|not connected|os error (32|53|54|57|104|10053|10054|10057|10060)\b/i;

/** Returns a URL, valid or not, without the user name and the password. */
export function withoutCredentials(text: string): string {
  const url = URL.parse(text);
  if (!url?.host) return text.replace(/^(\w+:)?[\\/]*.*@/s, "$1//");
  url.username = "";
  url.password = "";
  return url.href;
}

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
  const more =
    message === "" || DROPPED.test(message) || !("Deno" in globalThis)
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
 * Returns why a connection did not open. In Deno, the handshake may be sent once
 * more to find that out.
 *
 * @param request The handshake.
 * @param message The `message` of the error event. Deno says the cause there; a
 * browser has no such property, because scripts must not know the cause (WHATWG
 * WebSockets, "feedback from the protocol").
 * @param timeout Milliseconds to wait for an answer.
 */
export async function describeRefusal(
  request: HandshakeRequest,
  message: string,
  timeout: number,
): Promise<string> {
  if (message === "" || !("Deno" in globalThis)) {
    return "Could not connect (the cause is not known here)";
  }
  const url = withoutCredentials(request.url);
  const problem = message.replace(/^.*failed to connect to WebSocket: /, "");
  const secure = url.startsWith("wss:");
  const code = /Invalid status code: (\d+)/.exec(problem)?.[1];
  const status = code === undefined ? undefined : Number(code);
  const known = describeNetwork(url, problem);
  if (known !== undefined) return known;
  if (!secure && status === undefined) return describeNoAnswer(url, problem);

  // For wss:, Deno has told only about its attempt over HTTP/2. For ws:, only
  // the status.
  const { sendSecondHandshake } = await import("./second_handshake.ts");
  const answer = await sendSecondHandshake(request, timeout);
  if (!secure && answer.status !== status) {
    return describeHTTPAnswer(url, { status });
  }
  if (answer.status !== undefined) {
    const hide = (text?: string) =>
      text && withoutSecrets(text, request.url, request.headers);
    const { body, location } = answer;
    return describeHTTPAnswer(url, {
      ...answer,
      body: hide(body),
      location: hide(location),
    });
  }
  const { problem: second = "" } = answer;
  return describeNetwork(url, second) ?? describeNoAnswer(url, second);
}

/**
 * Returns why the host name, the TCP connection or the TLS handshake failed, or
 * undefined if they did not.
 */
function describeNetwork(url: string, problem: string): string | undefined {
  const certificate = "The server's TLS certificate";
  if (/opening CA file/.test(problem)) {
    return `The file given with --cert cannot be used: ${printable(problem)}`;
  }
  if (/dns error/.test(problem)) {
    return `Host "${new URL(url).hostname}" not found (check the spelling)`;
  }
  if (/tcp connect error/.test(problem)) {
    return "Connection refused or host unreachable (is the server running, and the proxy if HTTP_PROXY is set?)";
  }
  if (/proxy authentication required/.test(problem)) {
    return describeHTTPAnswer(url, { status: 407 });
  }
  if (/certificate expired/.test(problem)) {
    return `${certificate} has expired`;
  }
  if (/not valid for name/.test(problem)) {
    const name = /valid for \w+\("([^"]*)"\)/.exec(problem)?.[1];
    return `${certificate} is for another host name` +
      (name === undefined ? "" : `: ${printable(name)}`);
  }
  if (/UnknownIssuer/.test(problem)) {
    return `${certificate} is from an unknown authority (for a private one: deno run --cert CA.pem)`;
  }
  if (/CaUsedAsEndEntity/.test(problem)) {
    return `${certificate} is that of an authority (make it with basicConstraints=CA:FALSE)`;
  }
  if (/invalid peer certificate/.test(problem)) {
    return `${certificate} is not valid: ${printable(problem)}`;
  }
  if (/ProtocolVersion/.test(problem)) {
    return "The server does not speak TLS 1.2 or 1.3, which Deno needs";
  }
  if (/corrupt message/.test(problem)) {
    return `The server does not speak TLS there (try ${otherScheme(url)})`;
  }
}

/** Returns why a handshake got no HTTP answer. */
function describeNoAnswer(url: string, problem: string): string {
  const tryTLS = (when: string) =>
    url.startsWith("wss:") ? "" : ` (${when} TLS, try ${otherScheme(url)})`;
  if (/parsed|operation was canceled/.test(problem)) {
    return `The server's answer is not HTTP/1.1${tryTLS("if it speaks")}`;
  }
  if (/aborted due to timeout/.test(problem)) {
    return "The opening handshake failed, and another one was not answered (timed out)";
  }
  if (/NoApplicationProtocol/.test(problem)) {
    return "The server does not accept HTTP/1.1, which a WebSocket begins with";
  }
  if (/connection error|reset|os error (54|104|10054)\b/.test(problem)) {
    return `The server reset the connection without an answer${
      tryTLS("if it wants")
    }`;
  }
  if (DROPPED.test(problem)) {
    return `The server closed the connection without an answer${
      tryTLS("if it wants")
    }`;
  }
  return `The opening handshake failed: ${printable(problem)}`;
}

/** Returns the URL with ws: instead of wss:, or the other way round. */
function otherScheme(url: string): string {
  return url.startsWith("wss:")
    ? url.replace(/^wss/, "ws")
    : url.replace(/^ws/, "wss");
}
