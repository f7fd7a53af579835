/**
 * A WebSocket echo server. Every message comes back as it was sent: text as
 * text, bytes as bytes. The server sends nothing else.
 *
 * ```sh
 * deno run --allow-net echo_server.ts --port 8000
 * ```
 *
 * It keeps no state beyond its open connections. To serve the echo from a
 * custom program, or on a platform that runs Deno:
 *
 * ```ts no-eval
 * import { handler } from "./echo_server.ts";
 *
 * // In Deno, a text message of more than 512 MiB is an unhandled rejection.
 * addEventListener("unhandledrejection", (event) => {
 *   if (/allocate string/.test(event.reason?.message)) event.preventDefault();
 * });
 * Deno.serve(handler);
 * ```
 *
 * @module
 */

import {
  Backlog,
  LEAST,
  MESSAGE_OVERHEAD,
  SharedMemory,
} from "./lib/backlog.ts";
import { closeWhenQuiet, closeWhenRead } from "./lib/close.ts";
import { parseList, refuse, textResponse } from "./lib/handshake.ts";

/**
 * How many connections may be open in a process: 10,000. Beyond that, a
 * handshake is answered with 503 (Service Unavailable).
 */
export const MAX_CONNECTIONS = 10_000;

/**
 * How many bytes may wait in a process for peers that do not read: 512 MiB. A
 * waiting message counts as 1 KiB more than its bytes, because Deno uses that
 * much.
 *
 * Deno cannot pause a peer that sends without reading. So a peer whose waiting
 * messages take more than a quarter of what is still free is cut off: nothing
 * more is echoed, and the connection is closed with code 1008 (RFC 6455 section
 * 7.4.1) as soon as the peer has read the rest. One slow peer gets 102 MiB in
 * this way, 40 get 12 MiB each.
 *
 * What one peer has waiting stays in memory for as long as it keeps the
 * connection without reading: Deno has no way to drop a connection. For messages
 * of many MiB, Deno uses about three times their bytes, also while a connection
 * is idle that has sent one.
 *
 * Deno does not say whether an empty message waits. They all count until the
 * peer has read a later message that is not empty. So a peer that sends more
 * than 100,000 empty messages, and nothing else, is cut off even if it reads.
 */
export const MAX_WAITING_BYTES = 512 * 1024 * 1024;

/**
 * After how many more bytes the connection of a peer that was cut off is closed
 * at once, even if the peer has not read the rest: 128 MiB. Each message counts
 * 1 KiB more than its bytes, and a character of text counts as one byte. Without
 * this, a peer that keeps sending takes all the time of the server.
 */
export const MAX_IGNORED_BYTES = 128 * 1024 * 1024;

/**
 * Seconds without any data from a peer until the connection is closed with
 * 1001. Deno sends a ping after half of it: at 50 s, before a proxy gives up a
 * silent connection after the usual 60 s. A frame must arrive within it, so one
 * of 64 MiB needs 5.4 Mbit/s.
 */
const IDLE_TIMEOUT = 100;

/** Messages of so many bytes or more are expensive to allocate memory for. */
const LARGE = 256 * 1024;

const memory = new SharedMemory(MAX_WAITING_BYTES);
const connections = new Set<WebSocket>();
let unopened = 0;
let shuttingDown = false;

/**
 * Answers a WebSocket handshake, on any path, and echoes every message of the
 * connection. It chooses the first subprotocol that the client offers.
 *
 * @param request Any request that reached the server.
 * @returns 101 (Switching Protocols) for a valid handshake. Otherwise, as RFC
 * 6455 sections 4.2.1, 4.2.2 and 4.4 say: 426 for a GET or HEAD request that is
 * not a handshake, and for another version than 13; 405 for any other method;
 * 400 for a missing or bad `Host`, a bad `Sec-WebSocket-Key` or
 * `Sec-WebSocket-Protocol`; 503 if {@linkcode MAX_CONNECTIONS} are open, and
 * during shutdown.
 *
 * @example
 * ```ts no-eval
 * import { handler } from "./echo_server.ts";
 *
 * Deno.serve({ hostname: "127.0.0.1", port: 8000 }, handler);
 * ```
 */
export function handler(request: Request): Response {
  const refusal = refuse(request);
  if (refusal !== undefined) return refusal;
  if (shuttingDown || connections.size >= MAX_CONNECTIONS) {
    return textResponse(503, "No more connections now", {
      "retry-after": "10",
    });
  }
  const [protocol] = parseList(request.headers.get("sec-websocket-protocol"));

  // From here on nothing may throw: that would end the whole server.
  const { socket, response } = Deno.upgradeWebSocket(request, {
    idleTimeout: IDLE_TIMEOUT,
  });
  if (protocol !== undefined) {
    // The protocol option of upgradeWebSocket accepts only ", " in a list.
    response.headers.set("sec-websocket-protocol", protocol);
  }
  track(socket);
  echo(socket);
  return response;
}

/** Counts a connection while it is open. */
function track(socket: WebSocket): void {
  unopened++;
  // A client that resets the handshake fires no event at all. So a connection
  // counts from "open" on, and not before.
  socket.addEventListener("open", () => {
    unopened--;
    if (connections.size >= MAX_CONNECTIONS) {
      return socket.close(1013, "No more connections now");
    }
    connections.add(socket);
    if (shuttingDown) closeForShutdown(socket);
  });
  socket.addEventListener("close", () => connections.delete(socket));
}

/** Resolves when the connection is closed: if the peer does not read, never. */
async function closeForShutdown(socket: WebSocket): Promise<void> {
  const closed = new Promise((resolve) => {
    socket.addEventListener("close", resolve);
  });
  await closeWhenQuiet(socket, 1001, "Server shutting down");
  await closed;
}

/** Sends every message back, unless too many wait for the peer to read them. */
function echo(socket: WebSocket): void {
  const backlog = new Backlog(socket, memory);
  let cutOff = false;
  let ignored = 0;

  socket.addEventListener("message", ({ data }) => {
    const buffered = socket.bufferedAmount;
    const size = typeof data === "string" ? data.length : data.byteLength;
    if (!cutOff && backlog.isFull(buffered, size)) {
      cutOff = true;
      closeWhenRead(socket, 1008, "Too many echoes were not read")
        .then((hasRead) => hasRead && backlog.release());
    }
    if (!cutOff) {
      const alone = size > 0 && size <= LEAST && buffered === 0 &&
        backlog.isEmpty;
      socket.send(data);
      // To ask a socket takes time, so a message that is alone is not counted.
      if (!alone) backlog.add(socket.bufferedAmount - buffered);
    } else {
      ignored += MESSAGE_OVERHEAD + size;
      if (ignored > MAX_IGNORED_BYTES) socket.close(1008);
    }
    // Free the memory now, because garbage collection comes hundreds of MiB
    // later. But keep large buffers of a peer that reads: to allocate new ones
    // costs more.
    if (
      typeof data !== "string" && (size < LARGE || buffered > 0 || cutOff)
    ) data.transfer(0);
  });

  socket.addEventListener("close", () => backlog.release());
}

/**
 * Refuses new connections, and closes the open ones with 1001. Resolves when
 * they are closed: if a peer does not read, never.
 */
export async function shutDown(): Promise<void> {
  shuttingDown = true;
  await Promise.all(Array.from(connections, closeForShutdown));
}

/**
 * Counts the connections: those that are open, and those whose handshake was
 * answered but which never opened. Deno keeps a file descriptor for each of the
 * latter.
 */
export function countConnections(): { open: number; unopened: number } {
  return { open: connections.size, unopened };
}

if (import.meta.main) {
  // No `await`: cli/echo_server.ts imports this module, so each would wait for
  // the other.
  import("./cli/echo_server.ts").then(({ main }) => main(Deno.args));
}
