/**
 * The WebSocket conversation of the tutorials: connect, send a message, send
 * another, close, and log everything.
 *
 * ```sh
 * deno run --allow-net main.ts
 * deno run --allow-net main.ts wss://example.org/socket "a message" "another"
 * ```
 *
 * @module
 */

import { ConversationError, type Stage } from "./client/failure.ts";
import { handshakeOptions } from "./client/headers.ts";
import type { ConverseOptions } from "./client/options.ts";
import { Watch } from "./client/watch.ts";
import { printable } from "./shared/printable.ts";

export { ConversationError, type ConverseOptions, type Stage };

/**
 * Holds a conversation with a WebSocket server, and logs it. It uses only web
 * APIs, so it runs in browsers, too.
 *
 * @param url The URL of the server: ws:, wss:, http: or https:.
 * @param options What to send, and how long to wait.
 * @returns A promise that resolves if every expected message arrived, and the
 * connection then ended with code 1000 or without a code, whichever end closed
 * it. Expected are as many messages as were sent, or the one of `expect`.
 * @throws {ConversationError} (as a rejection) If not. The message is one line:
 * the URL, what happened and what to do. After a time-out, the connection may
 * still be open, and keep Deno running.
 * @throws {Deno.errors.NotCapable} (as a rejection, in Deno) Without permission.
 * @throws {DOMException} (as a rejection) The "SyntaxError" of `new WebSocket`,
 * if the URL or a subprotocol is not valid.
 * @throws {TypeError} (as a rejection) If a header is not valid, or if headers
 * are given in a browser.
 * @throws {unknown} (as a rejection) The reason of the signal, if it is aborted.
 *
 * @example
 * ```ts no-eval
 * import { converse } from "./main.ts";
 *
 * await converse("ws://127.0.0.1:8000/", { messages: ["Hi!"] });
 * ```
 */
export async function converse(
  url: string | URL,
  options: ConverseOptions = {},
): Promise<void> {
  const {
    messages = ["Hello WebSocket!", "Hello World!"],
    pause = 1000,
    log = console.log,
  } = options;

  const socket = new WebSocket(url, handshakeOptions(options));
  socket.binaryType = "arraybuffer"; // reading a Blob would take an await

  socket.addEventListener("open", () => log("connected"));
  socket.addEventListener("message", (event) => {
    log(`client <- server: ${printable(event.data)}`);
  });
  socket.addEventListener("close", () => log("disconnected"));

  // A Watch listens for these events, too, and for "error". It is told about each
  // of them after the line is logged, so the log comes before the verdict.
  const watch = new Watch(socket, url, options);

  await watch.opened();
  for (const message of messages) {
    if (socket.readyState !== WebSocket.OPEN) break;
    socket.send(message);
    log(`client -> server: ${printable(message)}`);
    await watch.pause(pause);
  }
  await watch.answered(messages.length, pause);
  socket.close(1000);
  await watch.closed();
}

if (import.meta.main) {
  // The command line is loaded only when it is used.
  const { main } = await import("./client/command.ts");
  await main(converse);
}
