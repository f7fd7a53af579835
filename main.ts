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

import { ConversationError } from "./client/failure.ts";
import { withHeaders } from "./client/headers.ts";
import { Watch } from "./client/watch.ts";
import { printable } from "./shared/printable.ts";

export { ConversationError };

/**
 * Options for {@linkcode converse}. Times are in milliseconds, below 2 ** 31.
 */
export interface ConverseOptions {
  /** What to send. @default {["Hello WebSocket!", "Hello World!"]} */
  messages?: string[];
  /** The subprotocols to offer; the server must choose one. @default {[]} */
  protocols?: string[];
  /**
   * Headers to send with the opening handshake, such as `Authorization`. Deno,
   * Bun and Node.js send them; in a browser, `converse()` rejects.
   */
  headers?: Record<string, string>;
  /**
   * A text that one of the server's text messages must contain. With it,
   * messages are not counted.
   */
  expect?: string;
  /** The pause after each message. @default {1000} */
  pause?: number;
  /**
   * How long to wait for the server: for the connection to open, for the
   * answers after the last pause, and for the close. @default {10_000}
   */
  timeout?: number;
  /** Gets every line, as text that is safe to print. @default {console.log} */
  log?: (line: string) => void;
}

/**
 * Holds a conversation with a WebSocket server, and logs it. It uses only web
 * APIs, so it runs in browsers, too.
 *
 * Deno does not limit a message in fragments, so a hostile server can fill the
 * memory. A handshake that is refused is sent once more, to read the reason.
 *
 * @param url The URL of the server: ws:, wss:, http: or https:.
 * @param options What to send, and how long to wait.
 * @returns A promise that resolves if the connection opened, at least as many
 * messages arrived as were sent (or the expected one), and the server answered
 * the close with 1000.
 * @throws {ConversationError} (as a rejection) If not. The message is one line:
 * the URL, what happened and what to do. After a time-out, the connection may
 * still be open, and keep Deno running.
 * @throws {Deno.errors.NotCapable} (as a rejection, in Deno) Without permission.
 * @throws {DOMException} (as a rejection) The "SyntaxError" of `new WebSocket`,
 * if the URL or a subprotocol is not valid.
 * @throws {TypeError} (as a rejection) If a header is not valid, or in a browser.
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
    protocols = [],
    pause = 1000,
    log = console.log,
  } = options;

  const socket = new WebSocket(url, withHeaders(protocols, options.headers));
  socket.binaryType = "arraybuffer"; // reading a Blob would take an await

  socket.addEventListener("open", () => log("connected"));
  socket.addEventListener("message", (event) => {
    log(`client <- server: ${printable(event.data)}`);
  });
  socket.addEventListener("close", () => log("disconnected"));

  // It listens after the listeners that log, so what it has seen is logged.
  const watch = new Watch(socket, url, options);

  await watch.opening();
  for (const message of messages) {
    if (socket.readyState !== WebSocket.OPEN) break;
    socket.send(message);
    log(`client -> server: ${printable(message)}`);
    await watch.pause(pause);
  }
  await watch.answers(messages.length);
  socket.close(1000);
  await watch.closing();
}

if (import.meta.main) {
  // The command line is loaded only when it is used.
  const { main } = await import("./client/command.ts");
  await main(converse);
}
