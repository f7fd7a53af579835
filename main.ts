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

import { describeClose, describeDrop, describeRefusal } from "./lib/failure.ts";
import { printable } from "./lib/printable.ts";

/** Options for {@linkcode converse}. */
export interface ConverseOptions {
  /**
   * What to send, one message after the other. With none, the connection is
   * closed as soon as it is open.
   *
   * @default {["Hello WebSocket!", "Hello World!"]}
   */
  messages?: string[];
  /**
   * Milliseconds between one message and the next, and between the last one and
   * the close; 2_147_483_647 at most, as for any timer.
   *
   * @default {1000}
   */
  pause?: number;
  /**
   * Milliseconds to wait for the server wherever the conversation depends on
   * it: for the connection to open, and for it to close; 2_147_483_647 at most.
   *
   * @default {10_000}
   */
  timeout?: number;
}

/**
 * Holds a conversation with a WebSocket server and logs it, one `console.log` a
 * line. It uses nothing but web APIs, and so runs in a browser as it is.
 *
 * @param url Where to connect: a `ws:` or `wss:` URL.
 * @returns A promise that resolves when all went well: the connection opened, at
 * least as many messages came back as were sent, and the server answered the
 * close in kind (code 1000).
 * @throws {DOMException} (as a rejection) The "SyntaxError" of `new WebSocket` if
 * the URL is not one for a WebSocket.
 * @throws {Error} (as a rejection) If anything else went otherwise. The message
 * is one line: the URL, what happened and, if that is known, what to do.
 *
 * @example
 * ```ts no-eval
 * import { converse } from "./main.ts";
 *
 * await converse("ws://127.0.0.1:8000/", { messages: ["Hi!"] });
 * ```
 */
export function converse(
  url: string | URL,
  options: ConverseOptions = {},
): Promise<void> {
  const {
    messages = ["Hello WebSocket!", "Hello World!"],
    pause = 1000,
    timeout = 10_000,
  } = options;

  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url);
    socket.binaryType = "arraybuffer"; // a Blob could not be logged at once

    let opened = false;
    let sent = 0;
    let received = 0;
    let closing = false;
    let cause = "";
    // There is one thing to wait for at any moment, so one timer is enough.
    let timer = deadline("the opening handshake");

    socket.addEventListener("open", () => {
      clearTimeout(timer);
      opened = true;
      console.log("connected");
      sendNextOrClose();
    });

    socket.addEventListener("message", (event) => {
      received++;
      console.log(`client <- server: ${printable(event.data)}`);
    });

    socket.addEventListener("error", (event) => {
      // Deno says here what happened; in a browser it is a bare Event.
      cause = (event as ErrorEvent).message ?? "";
    });

    socket.addEventListener("close", (event) => {
      clearTimeout(timer);
      console.log("disconnected");
      if (!opened) {
        fail(describeRefusal(socket.url, cause));
      } else if (!event.wasClean) {
        fail(describeDrop(cause));
      } else if (!closing) {
        fail(`The server closed too early, with ${describeClose(event)}`);
      } else if (event.code !== 1000) {
        fail(`The close was not answered with 1000: ${describeClose(event)}`);
      } else if (received < messages.length) {
        fail(
          `Only ${received} of ${messages.length} messages came back ` +
            "(a longer pause gives them more time)",
        );
      } else {
        resolve();
      }
    });

    function sendNextOrClose() {
      if (sent < messages.length && socket.readyState === WebSocket.OPEN) {
        const message = messages[sent++];
        socket.send(message);
        console.log(`client -> server: ${printable(message)}`);
        timer = setTimeout(sendNextOrClose, pause);
      } else {
        closing = socket.readyState === WebSocket.OPEN;
        socket.close(1000);
        timer = deadline("the close");
      }
    }

    function deadline(what: string) {
      return setTimeout(() => {
        fail(`No answer to ${what} within ${timeout / 1000} s (timed out)`);
        socket.close();
      }, timeout);
    }

    function fail(problem: string) {
      reject(new Error(`${socket.url}: ${problem}`));
    }
  });
}

// What follows is the command line, the only part that is Deno's own.

const HELP = `Holds a WebSocket conversation and logs it.

Usage: deno run --allow-net main.ts [OPTIONS] [URL [MESSAGE...]]

  URL      a ws:// or wss:// URL; without one, an echo server is started
           in the same process
  MESSAGE  what to send instead of "Hello WebSocket!" and "Hello World!"

Options:
  --pause SECONDS    between one message and the next, and between the last one
                     and the close (default 1)
  --timeout SECONDS  how long to wait for the server to answer the opening
                     handshake, and the close (default 10)
  -h, --help         print this text

Exit code: 0 if every message was answered and the connection closed cleanly,
1 if not, 2 if the command was wrong.`;

/** Does what the command line asks for. */
async function main(args: string[]): Promise<void> {
  // The plain `main.ts` loads no parser.
  if (args.length === 0) return await converseWithCompanion();
  const { parseFlags, parseSeconds, parseURL } = await import("./lib/flags.ts");
  const { values, positionals: [text, ...messages] } = parseFlags({
    args,
    allowPositionals: true,
    options: {
      help: { type: "boolean", short: "h" },
      pause: { type: "string", default: "1" },
      timeout: { type: "string", default: "10" },
    },
  });
  if (values.help) return console.log(HELP);
  const options: ConverseOptions = {
    pause: parseSeconds("--pause", values.pause, 0),
    timeout: parseSeconds("--timeout", values.timeout, 0.001),
  };
  if (text === undefined) return await converseWithCompanion(options);
  if (messages.length > 0) options.messages = messages;
  const url = parseURL(text);
  try {
    await converse(url, options);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotCapable)) throw error;
    throw new Error(`${url}: ${error.message}`);
  }
}

/** Converses with the echo server beside this file, on a free port. */
async function converseWithCompanion(options?: ConverseOptions): Promise<void> {
  const hostname = "127.0.0.1";
  // One question for both ends, instead of one for each of them.
  await Deno.permissions.request({ name: "net", host: hostname });
  const { handler } = await import("./echo_server.ts");
  const server = Deno.serve({ hostname, port: 0, onListen() {} }, handler);
  await converse(`ws://${hostname}:${server.addr.port}/`, options);
  await server.shutdown();
}

if (import.meta.main) {
  try {
    await main(Deno.args);
    Deno.exit(0);
  } catch (error) {
    console.error((error as Error).message);
    // Exit at once, even if a connection is stuck and could be waited for.
    Deno.exit(error instanceof SyntaxError ? 2 : 1);
  }
}
