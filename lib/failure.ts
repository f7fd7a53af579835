/**
 * Says in plain words how a WebSocket failed. Web APIs only.
 *
 * @module
 */

import { printable } from "./printable.ts";

/**
 * The names of the close codes: RFC 6455 section 7.4.1 and the registry of
 * IANA that it founded.
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

/** What is said on any system when the other end has just gone. */
const DROPPED =
  /EOF|reset|broken pipe|aborted|forcibly closed|closed before|canceled/i;

/**
 * Returns how a connection was closed, as in `1011 (internal error) "boom"`.
 *
 * @param event The `code` and `reason` of the close event. Deno's code 0 is
 * what the standard calls 1006 (RFC 6455 section 7.1.5): no close frame came.
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
 * Returns how a connection ended that was open, but not closed.
 *
 * @param message As for {@linkcode describeRefusal}: what the other end did
 * wrong, if it was more than going away.
 */
export function describeDrop(message: string): string {
  const wrong = message === "" || DROPPED.test(message)
    ? ""
    : `: ${printable(message)}`;
  return `The connection dropped, no close frame came (1006)${wrong}`;
}

/**
 * Returns why a connection was never opened.
 *
 * @param url The URL of the socket.
 * @param message The `message` of the error event, which says the cause in
 * Deno. In a browser there is none: the standard forbids it to tell a script
 * (WHATWG WebSockets, "feedback from the protocol").
 */
export function describeRefusal(url: string, message: string): string {
  const { protocol, hostname } = new URL(url);
  const secure = protocol === "wss:";
  const other = `try ${
    secure ? url.replace(/^wss/, "ws") : url.replace(/^ws/, "wss")
  }`;
  const detail = message.replace(
    /^NetworkError: failed to connect to WebSocket: /,
    "",
  );
  const status = /Invalid status code: (\d+)/.exec(detail)?.[1];

  if (detail === "") return "Could not connect (the browser keeps the cause)";
  if (/dns error/.test(detail)) {
    return `Host "${hostname}" not found (check the spelling)`;
  }
  if (/tcp connect error/.test(detail)) {
    return "Connection refused or host unreachable (is the server running?)";
  }
  if (/certificate expired/.test(detail)) {
    return "The server's TLS certificate has expired";
  }
  if (/not valid for name/.test(detail)) {
    const name = /valid for \w+\("([^"]*)"\)/.exec(detail)?.[1];
    return "The server's TLS certificate is for another host name" +
      (name === undefined ? "" : `: ${printable(name)}`);
  }
  if (/UnknownIssuer/.test(detail)) {
    return "The server's TLS certificate is from an unknown authority " +
      "(if it is yours: deno run --cert CA.pem)";
  }
  if (/invalid peer certificate/.test(detail)) {
    return `The server's TLS certificate is not valid: ${printable(detail)}`;
  }
  if (/corrupt message/.test(detail)) {
    return `The server does not speak TLS there (${other})`;
  }
  if (status !== undefined) {
    // What a TLS port answers to plain HTTP, if it answers at all.
    const hint = status === "400" && !secure
      ? ` (if it wants TLS, ${other})`
      : "";
    return `The server answered HTTP ${status} instead of 101${hint}`;
  }
  if (/HTTP|parsed/.test(detail)) {
    return "The server's answer is not HTTP" +
      (secure ? "" : ` (if it speaks TLS, ${other})`);
  }
  if (DROPPED.test(detail)) {
    return "The server closed the connection without an answer" +
      (secure ? "" : ` (if it wants TLS, ${other})`);
  }
  return `The opening handshake failed: ${printable(detail)}`;
}
