// Answers HTTP requests that open no WebSocket.

import type { Connections } from "./connections.ts";

/** Returns a response with one line of text. */
export function textResponse(
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
 * Answers a plain GET or HEAD request for `/health`: 200 while the server accepts
 * connections, and 503 while it does not. Returns undefined for any other
 * request.
 */
export function answerHealthCheck(
  request: Request,
  { state, open }: Pick<Connections, "state" | "open">,
): Response | undefined {
  if (pathOfPlainGet(request) !== "/health") return;
  const line = `${state}; open connections: ${open}`;
  return textResponse(state === "ok" ? 200 : 503, line);
}

/** Returns the path of a GET or HEAD request without `Upgrade`, or undefined. */
export function pathOfPlainGet(request: Request): string | undefined {
  const { method, headers } = request;
  if (method !== "GET" && method !== "HEAD") return;
  if (headers.has("upgrade")) return;
  return parseURL(request)?.pathname;
}

/**
 * Returns the URL of a request, or null if it is not valid. Deno makes it of the
 * Host header, in which there could be a path or a user name.
 */
export function parseURL({ headers, url }: Request): URL | null {
  const host = headers.get("host") ?? "";
  return /[/\\?#@]/.test(host) ? null : URL.parse(url);
}
