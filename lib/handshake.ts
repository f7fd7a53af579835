/**
 * What a WebSocket server checks before it opens a connection: RFC 6455 section
 * 4.2.1. `Deno.upgradeWebSocket` checks the half of it.
 *
 * @module
 */

/**
 * Returns the answer to a request that is not a proper handshake, and nothing
 * for one that is.
 */
export function refuse(
  { method, headers, url }: Request,
): Response | undefined {
  const target = URL.parse(url)?.href.replace(/^http/, "ws");
  const upgrades = lists(headers.get("connection"), "upgrade") &&
    lists(headers.get("upgrade"), "websocket");
  const upgrade = { connection: "Upgrade", upgrade: "websocket" };

  if (target === undefined) {
    return answer(400, "Host must be a host name");
  }
  if (method !== "GET" && (upgrades || method !== "HEAD")) {
    return answer(405, "Only GET opens a WebSocket", { allow: "GET" });
  }
  if (!upgrades) {
    const command = `deno run --allow-net main.ts ${target}`;
    return answer(426, `This is a WebSocket echo server: ${command}`, upgrade);
  }
  if (headers.get("sec-websocket-version") !== "13") {
    return answer(426, "Sec-WebSocket-Version must be 13", {
      ...upgrade,
      "sec-websocket-version": "13",
    });
  }
  // The last of 22 digits carries but two bits of the 16 bytes.
  const key = headers.get("sec-websocket-key") ?? "";
  if (!/^[A-Za-z0-9+/]{21}[AQgw]==$/.test(key)) {
    return answer(400, "Sec-WebSocket-Key must be 16 bytes in base64");
  }
  const offer = headers.get("sec-websocket-protocol");
  if (offer !== null && !isListOfTokens(offer)) {
    return answer(400, "Sec-WebSocket-Protocol must be a list of tokens");
  }
}

/** Returns a refusal: one line of text, whatever the request brought. */
export function answer(
  status: number,
  line: string,
  headers: Record<string, string> = {},
): Response {
  return new Response(`${line}\n`, {
    status,
    headers: { ...headers, "x-content-type-options": "nosniff" },
  });
}

/** Returns the elements of a list in a header (RFC 9110 section 5.6.1). */
export function elements(list: string | null): string[] {
  return (list ?? "").split(",").map((one) => one.trim()).filter(Boolean);
}

/** Returns whether a header lists a token, in capital letters or small. */
function lists(list: string | null, token: string): boolean {
  return elements(list).some((one) => one.toLowerCase() === token);
}

/** Returns whether all elements are tokens (RFC 9110 section 5.6.2). */
function isListOfTokens(list: string): boolean {
  const all = elements(list);
  return all.length > 0 &&
    all.every((one) => /^[\w!#$%&'*+.^`|~-]+$/.test(one));
}
