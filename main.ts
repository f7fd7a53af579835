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

import {
  ConversationError,
  describeClose,
  describeDrop,
  describeRefusal,
  describeWrongChoice,
} from "./lib/failure.ts";
import { printable } from "./lib/printable.ts";

export { ConversationError };

/**
 * Options for {@linkcode converse}. Times are in milliseconds, and less than
 * 2 ** 31, the limit of `setTimeout`.
 */
export interface ConverseOptions {
  /** What to send. @default {["Hello WebSocket!", "Hello World!"]} */
  messages?: string[];
  /** The subprotocols to offer; the server must choose one. @default {[]} */
  protocols?: string[];
  /** The pause after each message. @default {1000} */
  pause?: number;
  /**
   * How long to wait for the server: for the connection to open, for the
   * answers after the last pause, and for the close. @default {10_000}
   */
  timeout?: number;
}

/**
 * Holds a conversation with a WebSocket server, and logs it with `console.log`.
 * It uses only web APIs, so it runs in browsers, too.
 *
 * @param url The URL of the server: ws:, wss:, http: or https:.
 * @param options What to send, and how long to wait.
 * @returns A promise that resolves if the connection opened, at least as many
 * messages arrived as were sent, and the server answered the close with 1000.
 * @throws {ConversationError} (as a rejection) If not. The message is one line:
 * the URL, what happened and, where it is known, what to do.
 * @throws {DOMException} (as a rejection) The "SyntaxError" of `new WebSocket`,
 * if the URL or a subprotocol is not valid.
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
    timeout = 10_000,
  } = options;
  const start = performance.now();
  const answered = Promise.withResolvers<void>();
  let received = 0;
  let cause = "";

  const socket = new WebSocket(url, protocols);
  socket.binaryType = "arraybuffer"; // to read a Blob takes an await

  socket.addEventListener("open", () => console.log("connected"));
  socket.addEventListener("message", (event) => {
    if (++received >= messages.length) answered.resolve();
    console.log(`client <- server: ${printable(event.data)}`);
  });
  socket.addEventListener("error", (event) => {
    cause = (event as ErrorEvent).message ?? ""; // a browser does not say it
  });
  socket.addEventListener("close", () => console.log("disconnected"));

  // These come after the listeners that log, so what is awaited is logged.
  const opened = nextEvent(socket, "open");
  const closed = nextEvent(socket, "close");

  const inTime = `within ${timeout / 1000} s (timed out)`;
  const failure = (problem: string) =>
    new ConversationError(socket.url, problem);

  const opening = await within(socket, timeout, opened, closed);
  if (!opening) {
    socket.close();
    throw failure(`No answer to the opening handshake ${inTime}`);
  }
  if (opening.type === "close") {
    const rest = Math.max(0, start + timeout - performance.now());
    throw failure(await describeRefusal(socket.url, cause, protocols, rest));
  }
  const wrongChoice = describeWrongChoice(socket, protocols);
  if (wrongChoice) {
    socket.close();
    await within(socket, timeout, closed);
    throw failure(wrongChoice);
  }

  for (const message of messages) {
    if (socket.readyState !== WebSocket.OPEN) break;
    socket.send(message);
    console.log(`client -> server: ${printable(message)}`);
    await within(socket, pause, closed);
  }
  if (received < messages.length) {
    await within<unknown>(socket, timeout, answered.promise, closed);
  }

  const early = socket.readyState !== WebSocket.OPEN;
  socket.close(1000);
  const close = await within(socket, timeout, closed);

  if (close && !close.wasClean) throw failure(describeDrop(cause));
  if (close && early) {
    throw failure(`The server closed too early, with ${describeClose(close)}`);
  }
  if (received < messages.length) {
    const count = `${received} of ${messages.length}`;
    throw failure(`Only ${count} messages came back ${inTime}`);
  }
  if (!close) throw failure(`No answer to the close ${inTime}`);
  if (close.code !== 1000) {
    const how = describeClose(close);
    throw failure(`The close was not answered with 1000: ${how}`);
  }
}

/** Waits for the next event of a type. */
function nextEvent<K extends keyof WebSocketEventMap>(
  socket: WebSocket,
  type: K,
): Promise<WebSocketEventMap[K]> {
  return new Promise((resolve) => {
    socket.addEventListener(type, resolve);
  });
}

/** Returns what the first promise does, or undefined after so many milliseconds. */
async function within<T>(
  socket: WebSocket,
  milliseconds: number,
  ...promises: Promise<T>[]
): Promise<T | undefined> {
  const { promise: timedOut, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => resolve(undefined), milliseconds);
  // While a server floods the client with messages, no timer runs.
  const end = performance.now() + milliseconds;
  const check = () => performance.now() > end && resolve(undefined);
  socket.addEventListener("message", check);
  const first = await Promise.race([...promises, timedOut]);
  socket.removeEventListener("message", check);
  clearTimeout(timer);
  return first;
}

if (import.meta.main) {
  // No `await`: cli/main.ts imports this module, so each would wait for the other.
  import("./cli/main.ts").then(({ main }) => main(Deno.args));
}
