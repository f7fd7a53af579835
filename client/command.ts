/**
 * The command line of main.ts.
 *
 * @module
 */

import type { converse as Converse, ConverseOptions } from "../main.ts";
import { CommandError, run, UsageError } from "../shared/exit.ts";
import { printable } from "../shared/printable.ts";
import { tooLongTextListener } from "../shared/too_long_text.ts";
import { ConversationError, withoutCredentials } from "./failure.ts";

const HELP = `Holds a WebSocket conversation and logs it.

Usage: deno run --allow-net main.ts [OPTIONS] [URL [MESSAGE...]]
   or: wscheck [OPTIONS] [URL [MESSAGE...]], as client/README.md installs it

  URL      a ws:// or wss:// URL; without it, an echo server is started in the
           same process
  MESSAGE  what to send instead of "Hello WebSocket!" and "Hello World!"; after
           -- it can begin with a hyphen

Options:
  --header "NAME: VALUE"  a header to send with the opening handshake, such as
                          Authorization or Origin; can be repeated
  --protocol NAME         a subprotocol to offer; can be repeated
  --connect-only          send nothing
  --expect TEXT           succeed if a text message contains this, however many
                          messages arrive
  --pause SECONDS         the pause after each message (default 1)
  --timeout SECONDS       how long to wait for the server: for the connection to
                          open, for the answers, and for the close (default 10)
  -h, --help              print this text

Exit code:
  0  the connection opened, at least as many messages arrived as were sent (they
     are not compared) or the expected one did, and the server answered the
     close with code 1000
  1  anything else happened
  2  the command was wrong`;

/** Holds the conversation that the command line asks for. */
export function main(converse: typeof Converse): Promise<void> {
  return run(async () => {
    const { url, options } = await readCommandLine(Deno.args);
    if (options === undefined) return console.log(HELP);
    if (url === undefined) await converseWithOwnServer(converse, options);
    else await converseWith(converse, url, options);
  });
}

/** What the command line asks for. Without options, it asks for help. */
interface CommandLine {
  url?: string;
  options?: ConverseOptions;
}

async function readCommandLine(args: string[]): Promise<CommandLine> {
  // Without arguments the parser is not needed.
  if (args.length === 0) return { options: {} };
  const { parseFlags, parseSeconds, quote } = await import(
    "../shared/arguments.ts"
  );
  const { values, positionals, tokens } = parseFlags({
    args,
    allowPositionals: true,
    tokens: true,
    options: {
      help: { type: "boolean", short: "h" },
      header: { type: "string", multiple: true, default: [] },
      protocol: { type: "string", multiple: true, default: [] },
      "connect-only": { type: "boolean" },
      expect: { type: "string" },
      pause: { type: "string", default: "1" },
      timeout: { type: "string", default: "10" },
    },
  });
  if (values.help) return {};
  const [url, ...messages] = positionals;

  // After -- everything is meant as it is.
  const end = tokens.find(({ kind }) => kind === "option-terminator")?.index;
  const before =
    tokens.filter(({ kind, index }) =>
      kind === "positional" && index < (end ?? Infinity)
    ).length;
  const secondURL = messages.slice(0, Math.max(0, before - 1))
    .find((message) => /^wss?:\/\//i.test(message));
  if (secondURL !== undefined) {
    throw new UsageError(
      `Only one URL at a time (to send ${
        quote(withoutCredentials(secondURL))
      } as a message, put -- before it)`,
    );
  }
  if (values["connect-only"] && messages.length > 0) {
    throw new UsageError("--connect-only sends nothing, so give no MESSAGE");
  }
  const options: ConverseOptions = {
    protocols: values.protocol,
    headers: await parseHeaders(values.header),
    expect: values.expect,
    pause: parseSeconds("--pause", values.pause, 0),
    timeout: parseSeconds("--timeout", values.timeout, 0.001),
  };
  if (values["connect-only"] || messages.length > 0) {
    options.messages = messages;
  }
  return { url, options };
}

/** Returns headers by their names, or undefined if there are none. */
async function parseHeaders(
  lines: string[],
): Promise<Record<string, string> | undefined> {
  if (lines.length === 0) return;
  const { checkHeader } = await import("./headers.ts");
  const headers = new Headers();
  for (const line of lines) {
    const colon = line.indexOf(":");
    const name = line.slice(0, Math.max(0, colon)).trim();
    const value = line.slice(colon + 1).trim();
    const problem = checkHeader(name, value);
    if (problem !== undefined) throw new UsageError(`--header: ${problem}`);
    // RFC 6265 section 5.4, and RFC 9110 section 5.3.
    const separator = name.toLowerCase() === "cookie" ? "; " : ", ";
    const before = headers.get(name);
    headers.set(name, before === null ? value : before + separator + value);
  }
  return Object.fromEntries(headers);
}

/** Converses with the server at a URL. */
async function converseWith(
  converse: typeof Converse,
  url: string,
  options: ConverseOptions,
): Promise<void> {
  const shown = printable(withoutCredentials(url));
  const onTooLongText = tooLongTextListener(() => {
    throw new CommandError(
      `${shown}: The server sent a text message of more than 512 MiB, which Deno cannot receive`,
    );
  });
  addEventListener("unhandledrejection", onTooLongText);
  try {
    await converse(url, options);
  } catch (error) {
    if (error instanceof ConversationError) {
      throw new CommandError(error.message);
    }
    if (error instanceof Deno.errors.NotCapable) {
      throw new CommandError(`${shown}: ${error.message}`);
    }
    if (error instanceof DOMException && error.name === "SyntaxError") {
      throw new UsageError(describeSyntaxError(url, error.message));
    }
    throw error;
  }
}

/** Says in one line what `new WebSocket` does not accept. */
function describeSyntaxError(url: string, message: string): string {
  if (/^(Invalid|Cannot supply the same) protocol/.test(message)) {
    return `--protocol takes a token, and each token once: ${message}`;
  }
  const shown = withoutCredentials(url);
  const problem = message.replaceAll(url, shown);
  return printable(
    `"${shown}" is not a WebSocket URL: ${problem} (wanted: ws://… or wss://…)`,
  );
}

/** Converses with the echo server of this project, on a free port. */
async function converseWithOwnServer(
  converse: typeof Converse,
  options: ConverseOptions,
): Promise<void> {
  const hostname = "127.0.0.1";
  // Ask for both ends at once: the user answers one question, not two.
  await Deno.permissions.request({ name: "net", host: hostname });
  const { handler } = await import("../echo_server.ts");
  const server = Deno.serve({ hostname, port: 0, onListen() {} }, handler);
  try {
    await converseWith(
      converse,
      `ws://${hostname}:${server.addr.port}/`,
      options,
    );
  } catch (error) {
    if (!(error instanceof CommandError) || /timed out/.test(error.message)) {
      throw error;
    }
    // The server is there, so the most likely cause is a proxy in between.
    throw new CommandError(
      `${error.message} (if HTTP_PROXY or ALL_PROXY is set, set NO_PROXY=${hostname})`,
    );
  }
  await server.shutdown();
}
