/**
 * What a WebSocket server checks before it opens a connection (RFC 6455 section
 * 4.2.1). `Deno.upgradeWebSocket` checks only a part of it.
 *
 * @module
 */

/**
 * Returns the answer to a request that is not a valid handshake, and undefined
 * for a valid one.
 */
export function refuse(request: Request): Response | undefined {
  const { method, headers, url } = request;
  const target = URL.parse(url)?.href.replace(/^http/, "ws");
  const upgrades = elements(headers.get("connection"))
    .some((option) => option.toLowerCase() === "upgrade") &&
    // Deno does not upgrade a request that names other protocols, too, in a
    // header line of their own, and a handler cannot see lines.
    headers.get("upgrade")?.toLowerCase() === "websocket";
  const upgrade = { connection: "Upgrade", upgrade: "websocket" };

  if (target === undefined) {
    return answer(400, "Host must be a host name");
  }
  if (method !== "GET" && (upgrades || method !== "HEAD")) {
    return answer(405, "Only GET opens a WebSocket", { allow: "GET" });
  }
  if (!upgrades) {
    const command = `deno run --allow-net main.ts ${quoteURL(target)}`;
    return answer(426, `This is a WebSocket echo server: ${command}`, upgrade);
  }
  if (!headers.has("host")) {
    return answer(400, "Host is missing");
  }
  if (headers.get("sec-websocket-version") !== "13") {
    return answer(426, "Sec-WebSocket-Version must be 13", {
      ...upgrade,
      "sec-websocket-version": "13",
    });
  }
  // 22 digits of 6 bits are 4 more than 16 bytes: in the last digit, 4 are 0.
  const key = headers.get("sec-websocket-key") ?? "";
  if (!/^[A-Za-z0-9+/]{21}[AQgw]==$/.test(key)) {
    return answer(400, "Sec-WebSocket-Key must be 16 bytes in base64");
  }
  const offer = headers.get("sec-websocket-protocol");
  if (offer !== null && !isListOfTokens(offer)) {
    return answer(400, "Sec-WebSocket-Protocol must be a list of tokens");
  }
}

/** Returns an answer of one line of text. */
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

/**
 * Returns the elements of a list in a header (RFC 9110 section 5.6.1). Around
 * them there may be spaces and tabs (section 5.6.3), and no other white space.
 */
export function elements(list: string | null): string[] {
  return (list ?? "").split(",")
    .map((element) => element.replace(/^[ \t]+|[ \t]+$/g, ""))
    .filter((element) => element !== "");
}

/** Says whether all elements are tokens (RFC 9110 section 5.6.2). */
function isListOfTokens(list: string): boolean {
  const all = elements(list);
  return all.length > 0 &&
    all.every((element) => /^[\w!#$%&'*+.^`|~-]+$/.test(element));
}

/** Returns a URL as one argument, in a POSIX shell and in PowerShell. */
function quoteURL(url: string): string {
  return `'${url.replaceAll("'", "%27")}'`;
}
