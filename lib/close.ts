/**
 * Closes connections so that the peer gets the close frame. After `close()` Deno
 * drops the connection at the next message that arrives, and the close frame
 * with it if it still waits behind other messages.
 *
 * @module
 */

/** Milliseconds without a message after which a peer counts as quiet. */
const QUIET = 200;

/** Milliseconds after which a peer that is never quiet is closed all the same. */
const QUIET_TIMEOUT = 1000;

/**
 * Closes a connection when its peer has read all that was sent to it. This can
 * take as long as the connection exists.
 *
 * @returns Whether the peer has read everything: not if the connection was
 * closed meanwhile.
 */
export async function closeWhenRead(
  socket: WebSocket,
  code: number,
  reason: string,
): Promise<boolean> {
  while (socket.bufferedAmount > 0) await delay(QUIET);
  const hasRead = socket.readyState === WebSocket.OPEN;
  socket.close(code, reason);
  return hasRead;
}

/**
 * Waits until nothing has arrived for 200 ms (for 1 s at most), so that a short
 * conversation can end by itself. Then does the same as closeWhenRead().
 */
export async function closeWhenQuiet(
  socket: WebSocket,
  code: number,
  reason: string,
): Promise<void> {
  const start = performance.now();
  let last = start - QUIET;
  socket.addEventListener("message", () => last = performance.now());
  do {
    await delay(QUIET);
  } while (
    performance.now() - last < QUIET &&
    performance.now() - start < QUIET_TIMEOUT
  );
  await closeWhenRead(socket, code, reason);
}

function delay(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
