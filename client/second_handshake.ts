// Finds out how a server responds to a handshake. Only for Deno.
//
// When a handshake over TLS fails, Deno's WebSocket tries again over HTTP/2, and
// reports only how that failed. Of an HTTP response it tells only the status.
// With `fetch`, the handshake can be sent over HTTP/1.1 and its response read.

import type { ConverseOptions } from "./options.ts";

/** An opening handshake to be sent. */
export interface HandshakeRequest
  extends Pick<ConverseOptions, "protocols" | "headers" | "client" | "signal"> {
  /** The URL of the WebSocket, perhaps with credentials. */
  url: string;
}

/** The HTTP response of a server, or why there was none. */
export interface HandshakeResponse {
  /** The HTTP status, if there was an HTTP response. */
  status?: number;
  /** The scheme of the credentials that are wanted, and its parameters. */
  authenticate?: string;
  /** The name of the program that answered. */
  server?: string;
  /** The target of a redirect. */
  location?: string;
  /** The type of the body, empty if the server does not say it. */
  type?: string;
  /** The beginning of the body, as text. */
  body?: string;
  /** Why there was no HTTP response. */
  problem?: string;
  /** Whether that happened after TCP, and TLS if any, stood. */
  connected?: boolean;
}

/** How many characters of a body are used. */
const MAX_BODY_LENGTH = 1024;

/** For how many milliseconds a body is read. */
const BODY_TIMEOUT = 1000;

/**
 * Sends the handshake of a WebSocket once more (RFC 6455 section 4.1), and
 * returns the answer.
 *
 * @param timeout Milliseconds to wait.
 */
export async function sendSecondHandshake(
  { url, protocols = [], headers = {}, client, signal }: HandshakeRequest,
  timeout: number,
): Promise<HandshakeResponse> {
  const key = crypto.getRandomValues(new Uint8Array(16)).toBase64();
  const all = new Headers(headers);
  all.set("connection", "Upgrade");
  all.set("upgrade", "websocket");
  all.set("sec-websocket-key", key);
  all.set("sec-websocket-version", "13");
  if (protocols.length > 0) {
    all.set("sec-websocket-protocol", protocols.join(", "));
  }
  const target = new URL(url);
  target.protocol = target.protocol.replace("ws", "http");
  // A WebSocket sends the header then, and fetch would send both.
  if (all.has("authorization")) target.username = target.password = "";
  const signals = [AbortSignal.timeout(timeout), ...(signal ? [signal] : [])];
  try {
    // Over HTTP/2 there is no Upgrade.
    using http1 = Deno.createHttpClient({ http2: false });
    const response = await fetch(target, {
      client: client ?? http1,
      headers: all,
      redirect: "manual",
      signal: AbortSignal.any(signals),
    });
    return {
      status: response.status,
      authenticate: response.headers.get("www-authenticate") ?? "",
      server: response.headers.get("server") ?? "",
      location: response.headers.get("location") ?? undefined,
      type: response.headers.get("content-type") ?? "",
      body: await readBeginning(response),
    };
  } catch (error) {
    const { cause, message } = error as Error;
    const problem = (cause as Error | undefined)?.message ?? message;
    return {
      problem: problem.replace(/^.*client error \(\w+\): /s, ""),
      connected: !problem.includes("client error (Connect)"),
    };
  }
}

/** Returns what arrives of a body within a limited time and size. */
async function readBeginning({ body }: Response): Promise<string> {
  const over = new AbortController();
  const timer = setTimeout(() => over.abort(), BODY_TIMEOUT);
  let text = "";
  try {
    const decoder = new TextDecoderStream();
    const { signal } = over;
    for await (const part of body?.pipeThrough(decoder, { signal }) ?? []) {
      text += part;
      if (text.length >= MAX_BODY_LENGTH) break; // and hang up
    }
  } catch {
    // The answer was cut short, or the time is over: what came is enough.
  }
  clearTimeout(timer);
  return text.slice(0, MAX_BODY_LENGTH);
}
