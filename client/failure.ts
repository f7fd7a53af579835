// Says in plain words how a WebSocket failed.

import { type Show, show } from "./secrets.ts";

/**
 * How far a conversation came before it failed: the host's "name" was not found,
 * no TCP "connection" was made, a "proxy" refused, "tls" or the WebSocket
 * "handshake" failed (or nothing is known, because nothing came in time),
 * "messages" were missing, or the "close" was wrong.
 */
export type Stage =
  | "name"
  | "connection"
  | "proxy"
  | "tls"
  | "handshake"
  | "messages"
  | "close";

/**
 * A conversation with a WebSocket server that failed. The message shows the URL
 * without its user name and password, but with its query, because that is what
 * one looks for, and may show the last message that came: if they hold a secret,
 * do not publish it.
 */
export class ConversationError extends Error {
  /** Always "ConversationError". */
  override name = "ConversationError";
  /** How far it came. */
  readonly stage: Stage = "handshake";
  /** Whether the server did not answer within the timeout. */
  readonly timedOut: boolean = false;
  /** The HTTP status with which the server refused the handshake, if it is known. */
  readonly status?: number;
  /**
   * The close code of a connection that had opened and has ended: 1006 if no
   * close frame came (RFC 6455 section 7.1.5).
   */
  readonly closeCode?: number;

  /** Makes the error with a message of one line. */
  constructor(message: string, failure: Failure = {}) {
    super(message);
    Object.assign(this, failure);
  }
}

/** What a {@linkcode ConversationError} carries beside its message. */
export type Failure = Partial<Omit<ConversationError, keyof Error>>;

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
export const DROPPED =
  /EOF|reset|broken pipe|aborted|forcibly closed|closed before|not connected|timed out|no route|unreachable|os error (32|53|54|57|60|65|104|110|113|10053|10054|10057|10060|10065)\b/i;

/** What Deno says when the server closed while a message was on its way. */
export const NOT_SENT = /Failed to send frame/;

/** Returns a URL, valid or not, without the user name and the password. */
export function withoutCredentials(text: string): string {
  const url = URL.parse(text);
  if (!url?.host) return text.replace(/^(\w+:)?[\\/]*.*@/s, "$1//");
  url.username = "";
  url.password = "";
  return url.href;
}

/** Returns the code that the standard has for Deno's 0: no close frame came. */
export const closeCodeOf = ({ code }: Pick<CloseEvent, "code">): number =>
  code || 1006;

/**
 * Returns how a connection was closed, as in `"boom", 1011 (internal error)`.
 */
export function describeClose(
  event: Pick<CloseEvent, "code" | "reason">,
  showReason: Show = show,
): string {
  const code = closeCodeOf(event);
  const name = CLOSE_CODES[code] ??
    (code >= 4000 ? "private use" : "unregistered");
  // The name may contradict the reason, so the reason comes first.
  const reason = event.reason === "" ? "" : `"${showReason(event.reason)}", `;
  return `${reason}${code} (${name})`;
}

/**
 * Returns how an open connection ended without a close frame.
 *
 * @param message The `message` of the error event. Deno says the cause there.
 */
export function describeDrop(message: string): string {
  if (message === "" || DROPPED.test(message) || !("Deno" in globalThis)) {
    return "The connection dropped, no close frame came (1006)";
  }
  return `The server broke the WebSocket protocol: ${show(message)}`;
}

/**
 * Returns what is wrong with the subprotocol or the extensions that the server
 * chose (RFC 6455 section 4.1), or undefined. Browsers fail such a connection.
 */
export function describeWrongChoice(
  { protocol, extensions }: Pick<WebSocket, "protocol" | "extensions">,
  offered: string[],
  showChoice: Show,
): string | undefined {
  if (protocol === "" && offered.length > 0) {
    return "The server chose none of the subprotocols that were offered";
  }
  const chose = (what: string, choice: string) =>
    `The server chose ${what} that was not offered: ${showChoice(choice)}`;
  if (protocol !== "" && !offered.includes(protocol)) {
    return chose("a subprotocol", protocol);
  }
  // Browsers offer extensions by themselves. Deno offers none.
  if (extensions !== "" && "Deno" in globalThis) {
    return chose("an extension", extensions);
  }
}
