/**
 * The command line of main.ts.
 *
 * @module
 */

import { ConversationError } from "../lib/failure.ts";
import { printable } from "../lib/printable.ts";
import { converse, type ConverseOptions } from "../main.ts";
import { CommandError, onTooLongText, run, UsageError } from "./errors.ts";

const HELP = `Holds a WebSocket conversation and logs it.

Usage: deno run --allow-net main.ts [OPTIONS] [URL [MESSAGE...]]

  URL      a ws:// or wss:// URL; without it, an echo server is started in the
           same process
  MESSAGE  what to send instead of "Hello WebSocket!" and "Hello World!"; after
           -- it can begin with a hyphen

Options:
  --protocol NAME    a subprotocol to offer; can be repeated
  --pause SECONDS    the pause after each message (default 1)
  --timeout SECONDS  how long to wait for the server: for the connection to
                     open, for the answers, and for the close (default 10)
  -h, --help         print this text

Exit code:
  0  the connection opened, at least as many messages arrived as were sent (they
     are not compared), and the server answered the close with code 1000
  1  anything else happened
  2  the command was wrong`;

/** Holds the conversation that the command line asks for. */
export function main(args: string[]): Promise<void> {
  return run(() => converseAsTold(args));
}

async function converseAsTold(args: string[]): Promise<void> {
  // Without arguments the parser is not needed.
  if (args.length === 0) return await converseWithCompanion();
  const { checkProtocols, parseFlags, parseSeconds } = await import(
    "./arguments.ts"
  );
  const { values, positionals: [url, ...messages] } = parseFlags({
    args,
    allowPositionals: true,
    options: {
      help: { type: "boolean", short: "h" },
      protocol: { type: "string", multiple: true, default: [] },
      pause: { type: "string", default: "1" },
      timeout: { type: "string", default: "10" },
    },
  });
  if (values.help) return console.log(HELP);
  const options: ConverseOptions = {
    protocols: checkProtocols("--protocol", values.protocol),
    pause: parseSeconds("--pause", values.pause, 0),
    timeout: parseSeconds("--timeout", values.timeout, 0.001),
  };
  if (url === undefined) return await converseWithCompanion(options);
  if (messages.length > 0) options.messages = messages;
  await converseWith(url, options);
}

/** Converses with the server at a URL. */
async function converseWith(
  url: string,
  options: ConverseOptions,
): Promise<void> {
  const shown = withoutCredentials(url);
  onTooLongText(() => {
    throw new ConversationError(
      printable(shown),
      "The server sent a text message of more than 512 MiB, which Deno cannot receive",
    );
  });
  try {
    await converse(url, options);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) {
      throw new CommandError(`${printable(shown)}: ${error.message}`);
    }
    if (error instanceof DOMException && error.name === "SyntaxError") {
      const problem = error.message.replaceAll(url, shown);
      throw new UsageError(
        printable(
          `"${shown}" is not a WebSocket URL: ${problem} (wanted: ws://… or wss://…)`,
        ),
      );
    }
    throw error;
  }
}

/** Converses with the echo server of this project, on a free port. */
async function converseWithCompanion(options?: ConverseOptions): Promise<void> {
  const hostname = "127.0.0.1";
  // Ask for both ends at once: the user answers one question, not two.
  await Deno.permissions.request({ name: "net", host: hostname });
  const { handler } = await import("../echo_server.ts");
  const server = Deno.serve({ hostname, port: 0, onListen() {} }, handler);
  const url = `ws://${hostname}:${server.addr.port}/`;
  try {
    await converse(url, options);
  } catch (error) {
    if (!(error instanceof ConversationError)) throw error;
    // The server is there, so the most likely cause is a proxy in between.
    throw new CommandError(
      `${error.message} (if HTTP_PROXY or ALL_PROXY is set, set NO_PROXY=${hostname})`,
    );
  }
  await server.shutdown();
}

/** Returns a URL, valid or not, without the user name and the password. */
function withoutCredentials(text: string): string {
  const url = URL.parse(text);
  if (!url?.host) return text.replace(/^(\w+:)?[\\/]*.*@/s, "$1//");
  url.username = "";
  url.password = "";
  return url.href;
}
