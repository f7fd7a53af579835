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

/** Options for {@linkcode converse}. Times are in milliseconds below 2 ** 31. */
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
  let received = 0;
  let cause = "";

  const socket = new WebSocket(url, protocols);
  socket.binaryType = "arraybuffer"; // a Blob could not be logged at once

  socket.addEventListener("open", () => console.log("connected"));
  socket.addEventListener("message", (event) => {
    received++;
    console.log(`client <- server: ${printable(event.data)}`);
  });
  socket.addEventListener("error", (event) => {
    cause = (event as ErrorEvent).message ?? ""; // a browser does not say it
  });
  socket.addEventListener("close", () => console.log("disconnected"));

  // These come after the listeners that log, so what is awaited is logged.
  const opened = nextEvent(socket, "open");
  const closed = nextEvent(socket, "close");
  const answered = new Promise<Event>((resolve) => {
    socket.addEventListener("message", (event) => {
      if (received >= messages.length) resolve(event);
    });
  });

  const limit = `within ${timeout / 1000} s (timed out)`;
  const failure = (problem: string) =>
    new ConversationError(socket.url, problem);

  const opening = await within(timeout, opened, closed);
  if (!opening) {
    socket.close();
    throw failure(`No answer to the opening handshake ${limit}`);
  }
  if (opening.type === "close") {
    const rest = Math.max(0, start + timeout - performance.now());
    throw failure(await describeRefusal(socket.url, cause, protocols, rest));
  }
  const wrongChoice = describeWrongChoice(socket, protocols);
  if (wrongChoice) {
    socket.close();
    await within(timeout, closed);
    throw failure(wrongChoice);
  }

  for (const message of messages) {
    if (socket.readyState !== WebSocket.OPEN) break;
    socket.send(message);
    console.log(`client -> server: ${printable(message)}`);
    await within(pause, closed);
  }
  if (received < messages.length) await within(timeout, answered, closed);

  const early = socket.readyState !== WebSocket.OPEN;
  socket.close(1000);
  const close = await within(timeout, closed);

  if (!close) throw failure(`No answer to the close ${limit}`);
  if (!close.wasClean) throw failure(describeDrop(cause));
  const how = describeClose(close);
  if (early) throw failure(`The server closed too early, with ${how}`);
  if (close.code !== 1000) {
    throw failure(`The close was not answered with 1000: ${how}`);
  }
  const count = `${received} of ${messages.length} messages`;
  if (received < messages.length) {
    throw failure(`Only ${count} came back ${limit}`);
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

/** Waits for the first promise, or for so many milliseconds: then undefined. */
async function within<T>(
  milliseconds: number,
  ...promises: Promise<T>[]
): Promise<T | undefined> {
  let timer;
  const timedOut = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), milliseconds);
  });
  const first = await Promise.race([...promises, timedOut]);
  clearTimeout(timer);
  return first;
}

if (import.meta.main) {
  // Not awaited: that file imports this one, which would wait for itself.
  import("./cli/main.ts").then(({ main }) => main(Deno.args));
}
