/**
 * A WebSocket echo server. Every message comes back as it was sent: text as
 * text, bytes as bytes. The server sends nothing else.
 *
 * ```sh
 * deno run --allow-net echo_server.ts --port 8000
 * ```
 *
 * To serve the echo from a custom program, or on a platform that runs Deno:
 *
 * ```ts no-eval
 * import { handler } from "./echo_server.ts";
 *
 * Deno.serve({ hostname: "127.0.0.1", port: 8000 }, handler);
 * ```
 *
 * @module
 */

import { Connections } from "./server/connections.ts";
import { checkHandshake, parseList } from "./server/handshake.ts";
import { Outbox } from "./server/outbox.ts";
import { answerHealthCheck, textResponse } from "./server/plain_http.ts";
import { prepare } from "./server/prepare.ts";
import { SharedMemory } from "./server/send_queue.ts";
import { MiB } from "./server/units.ts";

/**
 * How many connections may be open in a process: 10,000. Beyond that, a
 * handshake is answered with 503 (Service Unavailable).
 */
export const MAX_CONNECTIONS = 10_000;

/** How many bytes may wait in a process for peers that do not read. */
const MAX_WAITING_BYTES = 512 * MiB;

/**
 * Seconds without any data from a peer until the connection is closed with
 * 1001. Deno sends a ping after half of it: at 50 s, before a proxy gives up a
 * silent connection after the usual 60 s. A frame must arrive within it, so one
 * of 64 MiB needs 5.4 Mbit/s.
 */
const IDLE_TIMEOUT = 100;

const connections = new Connections(MAX_CONNECTIONS);
const memory = new SharedMemory(MAX_WAITING_BYTES);

/**
 * Answers a WebSocket handshake, on any path, and echoes every message of the
 * connection. It chooses the first subprotocol that the client offers.
 *
 * A peer that sends and does not read is cut off: nothing more is echoed, and
 * the connection is closed with code 1008 (RFC 6455 section 7.4.1) when the peer
 * is quiet and has read the rest. One slow peer may have 102 MiB unread.
 *
 * @param request Any request that reached the server.
 * @returns 101 (Switching Protocols) for a valid handshake. Otherwise, as RFC
 * 6455 sections 4.2.1, 4.2.2 and 4.4 say: 426 for a GET or HEAD request that is
 * not a handshake, and for another version than 13; 405 for any other method;
 * 400 for a missing or bad `Host`, a bad `Sec-WebSocket-Key` or
 * `Sec-WebSocket-Protocol`; 503 if {@linkcode MAX_CONNECTIONS} are open, and
 * during shutdown. A GET or HEAD request for `/health` without `Upgrade` is
 * answered with 200, or with 503 when a handshake would be.
 */
export function handler(request: Request): Response {
  const response = answerHealthCheck(request, connections) ??
    checkHandshake(request);
  if (response !== undefined) return response;
  if (connections.state !== "ok") {
    return textResponse(503, "No more connections now", {
      "retry-after": "10",
    });
  }
  return upgrade(request);
}

/** Opens a WebSocket for a valid handshake. */
function upgrade(request: Request): Response {
  prepare();
  const [protocol] = parseList(request.headers.get("sec-websocket-protocol"));

  // From here on nothing may throw: that would end the whole server.
  const { socket, response } = Deno.upgradeWebSocket(request, {
    idleTimeout: IDLE_TIMEOUT,
  });
  if (protocol !== undefined) {
    // The protocol option of upgradeWebSocket accepts only ", " in a list.
    response.headers.set("sec-websocket-protocol", protocol);
  }
  const outbox = new Outbox(socket, memory);
  socket.addEventListener("message", ({ data }) => outbox.send(data));
  connections.add(socket, outbox);
  return response;
}

if (import.meta.main) {
  // The command line is loaded only when it is used.
  const { main } = await import("./server/command.ts");
  await main(handler, connections, memory);
}
