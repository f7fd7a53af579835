/**
 * Finds out how a server answers a handshake. Only for Deno.
 *
 * When a handshake over TLS fails, Deno's WebSocket tries again over HTTP/2, and
 * reports only how that failed. Of a redirect it does not tell the target. With
 * `fetch`, the handshake can be sent over HTTP/1.1 and its answer read.
 *
 * @module
 */

/** What a server answered. */
export interface Answer {
  /** The HTTP status, if there was an HTTP answer. */
  status?: number;
  /** The target of a redirect. */
  location?: string;
  /** Why there was no HTTP answer. */
  problem?: string;
}

/**
 * Sends the handshake of a WebSocket once more (RFC 6455 section 4.1), and
 * returns the answer.
 *
 * @param url The URL of the WebSocket.
 * @param protocols The subprotocols to offer.
 * @param timeout Milliseconds to wait.
 */
export async function ask(
  url: string,
  protocols: string[],
  timeout: number,
): Promise<Answer> {
  const key = crypto.getRandomValues(new Uint8Array(16)).toBase64();
  const headers = new Headers({
    connection: "Upgrade",
    upgrade: "websocket",
    "sec-websocket-key": key,
    "sec-websocket-version": "13",
  });
  if (protocols.length > 0) {
    headers.set("sec-websocket-protocol", protocols.join(", "));
  }
  try {
    // Over HTTP/2 there is no Upgrade.
    using client = Deno.createHttpClient({ http2: false });
    const response = await fetch(url.replace(/^ws/, "http"), {
      client,
      headers,
      redirect: "manual",
      signal: AbortSignal.timeout(timeout),
    });
    await response.body?.cancel();
    return {
      status: response.status,
      location: response.headers.get("location") ?? undefined,
    };
  } catch (error) {
    const { cause, message } = error as Error;
    return { problem: (cause as Error | undefined)?.message ?? message };
  }
}
