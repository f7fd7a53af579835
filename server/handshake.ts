// What a WebSocket server checks before it opens a connection (RFC 6455 section
// 4.2.1). `Deno.upgradeWebSocket` checks only a part of it.

import { isToken } from "../shared/token.ts";
import { parseURL, textResponse } from "./plain_http.ts";

/** Returns the response to an invalid handshake, and undefined for a valid one. */
export function checkHandshake(request: Request): Response | undefined {
  const { method, headers } = request;
  // A proxy that terminates TLS says so in this header.
  const secure = headers.get("x-forwarded-proto") === "https";
  const target = parseURL(request)?.href.replace(
    /^https?/,
    (scheme) => secure || scheme === "https" ? "wss" : "ws",
  );
  const upgrades = parseList(headers.get("connection"))
    .some((option) => option.toLowerCase() === "upgrade") &&
    // Deno does not upgrade a request with several Upgrade lines, and here they
    // are joined. So accept one name only.
    headers.get("upgrade")?.toLowerCase() === "websocket";
  const upgrade = { connection: "Upgrade", upgrade: "websocket" };

  if (target === undefined) {
    return textResponse(400, "Host must be a host name");
  }
  if (method !== "GET" && (upgrades || method !== "HEAD")) {
    return textResponse(405, "Only GET opens a WebSocket", { allow: "GET" });
  }
  if (!upgrades) {
    // A URL of these characters means the same in every shell.
    const command = /^[\w.:/-]+$/.test(target)
      ? `: deno run --allow-net main.ts ${target}`
      : "";
    return textResponse(
      426,
      `This is a WebSocket echo server${command}`,
      upgrade,
    );
  }
  if (!headers.has("host")) {
    return textResponse(400, "Host is missing");
  }
  if (headers.get("sec-websocket-version") !== "13") {
    return textResponse(426, "Sec-WebSocket-Version must be 13", {
      ...upgrade,
      "sec-websocket-version": "13",
    });
  }
  // 16 bytes are 22 digits of base64. The last has only 2 bits: A, Q, g or w.
  const key = headers.get("sec-websocket-key") ?? "";
  if (!/^[A-Za-z0-9+/]{21}[AQgw]==$/.test(key)) {
    return textResponse(400, "Sec-WebSocket-Key must be 16 bytes in base64");
  }
  const offer = headers.get("sec-websocket-protocol");
  const names = parseList(offer);
  if (offer !== null && !(names.length > 0 && names.every(isToken))) {
    return textResponse(400, "Sec-WebSocket-Protocol must be a list of tokens");
  }
}

/**
 * Returns the elements of a list in a header (RFC 9110 section 5.6.1). Around
 * them there may be spaces and tabs (section 5.6.3), and no other white space.
 */
export function parseList(list: string | null): string[] {
  // It looks at each character a fixed number of times, however many spaces
  // there are.
  return list?.match(/[^ \t,](?:[^,]*[^ \t,])?/g) ?? [];
}
