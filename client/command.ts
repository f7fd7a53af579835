// The command line of main.ts.

import { CommandError, run, UsageError } from "../shared/exit.ts";
import { printable } from "../shared/printable.ts";
import { onTooLongText } from "../shared/too_long_text.ts";
import { ConversationError, withoutCredentials } from "./failure.ts";
import { checkHeader } from "./headers.ts";
import type { Converse, ConverseOptions } from "./options.ts";

/** What --help prints. */
export const HELP = `Holds a WebSocket conversation and logs it.

Usage: deno run --allow-net main.ts [OPTIONS] [URL [MESSAGE...]]
   or: wscheck [OPTIONS] [URL [MESSAGE...]], as client/README.md installs it

  URL      a ws:// or wss:// URL; without any argument, an echo server is
           started in the same process
  MESSAGE  what to send instead of "Hello WebSocket!" and "Hello World!"; after
           -- it can begin with a hyphen

Options:
  --header "NAME: VALUE"  a header to send with the opening handshake, such as
                          Authorization or Origin; can be repeated
  --protocol NAME         a subprotocol to offer; can be repeated
  --connect-only          send nothing, and stay connected for one pause
  --hex                   every MESSAGE is bytes, such as "10 0c" or 100c, to be
                          sent as a binary message
  --expect TEXT           succeed if a message contains this, however many
                          messages arrive
  --pause SECONDS         the pause after each message (default 1)
  --timeout SECONDS       how long to wait for each of: the connection, the
                          answers, and the close (default 10)
  --client-cert FILE --client-key FILE
                          a TLS client certificate and its private key, in PEM
                          (needs --allow-read)
  -h, --help              print this text

Exit code:
  0  everything that was expected arrived (as many messages as were sent, which
     are not compared, or the one of --expect), and the connection then ended
     with code 1000 or without a code
  1  anything else happened
  2  the command was wrong`;

/** The options, as `parseArgs` wants them. */
export const OPTIONS = {
  help: { type: "boolean", short: "h" },
  header: { type: "string", multiple: true },
  protocol: { type: "string", multiple: true },
  "connect-only": { type: "boolean" },
  hex: { type: "boolean" },
  expect: { type: "string" },
  "client-cert": { type: "string" },
  "client-key": { type: "string" },
  pause: { type: "string", default: "1" },
  timeout: { type: "string", default: "10" },
} as const;

/** Where the server of this process listens. */
const hostname = "127.0.0.1";

/** Holds the conversation that the command line asks for. */
export function main(converse: Converse): Promise<void> {
  return run(async () => {
    const command = await readCommandLine(Deno.args);
    if (command === undefined) return console.log(HELP);
    const { url, options } = command;
    const server = url === undefined ? await startServer() : undefined;
    const target = url ?? `ws://${hostname}:${server!.addr.port}/`;
    onTooLongText(() => {
      const shown = printable(withoutCredentials(target));
      throw new CommandError(
        `${shown}: The server sent a text message of more than 512 MiB, which Deno cannot receive`,
      );
    });
    try {
      await converse(target, options);
    } catch (error) {
      throw explain(error, target, server !== undefined);
    }
    options.client?.close();
    await server?.shutdown();
  });
}

/** Returns what the command line asks for, or undefined if it asks for help. */
export async function readCommandLine(
  args: string[],
): Promise<{ url?: string; options: ConverseOptions } | undefined> {
  // Without arguments the parser is not needed.
  if (args.length === 0) return { options: {} };
  const { parseFlags, parseSeconds, quote } = await import(
    "../shared/arguments.ts"
  );
  const { values, positionals, tokens } = parseFlags({
    args,
    allowPositionals: true,
    tokens: true,
    options: OPTIONS,
  });
  if (values.help) return;
  const [url, ...messages] = positionals;

  // After -- everything is meant as it is.
  const end = tokens.findIndex(({ kind }) => kind === "option-terminator");
  const [, ...others] = tokens.slice(0, end < 0 ? undefined : end)
    .flatMap((token) => token.kind === "positional" ? [token.value] : []);
  const secondURL = others.find((other) => /^wss?:\/\//i.test(other));
  if (secondURL !== undefined) {
    throw new UsageError(
      `Only one URL at a time (to send ${
        quote(withoutCredentials(secondURL))
      } as a message, put -- before it)`,
    );
  }
  const option = tokens.find(({ kind }) => kind === "option");
  if (url === undefined && option?.kind === "option") {
    throw new UsageError(
      `--${option.name} needs a URL (is the variable that holds it empty?)`,
    );
  }
  const { pause, timeout, hex } = values;
  if (values["connect-only"] && messages.length > 0) {
    throw new UsageError("--connect-only sends nothing, so give no MESSAGE");
  }
  if (hex && messages.length === 0) {
    throw new UsageError("--hex needs a MESSAGE");
  }
  const { readKeyPair } = await import("../shared/pem.ts");
  const pair = await readKeyPair(values, "client-cert", "client-key");
  const options: ConverseOptions = {
    protocols: values.protocol,
    headers: parseHeaders(values.header ?? []),
    expect: values.expect,
    pause: parseSeconds("--pause", pause, 0),
    timeout: parseSeconds("--timeout", timeout, 0.001),
    client: pair && Deno.createHttpClient({ ...pair, http2: false }),
  };
  if (values["connect-only"] || messages.length > 0) {
    options.messages = hex ? messages.map(parseHex) : messages;
  }
  return { url, options };

  function parseHex(text: string): Uint8Array<ArrayBuffer> {
    try {
      return Uint8Array.fromHex(text.replaceAll(" ", ""));
    } catch {
      throw new UsageError(
        `--hex takes bytes of two digits, such as "10 0c", not ${quote(text)}`,
      );
    }
  }
}

/** Returns headers by their names. */
function parseHeaders(lines: string[]): Record<string, string> {
  const headers = new Headers();
  for (const line of lines) {
    const colon = line.indexOf(":");
    const name = line.slice(0, Math.max(0, colon)).trim();
    const value = line.slice(colon + 1).trim();
    if (name.toLowerCase() === "sec-websocket-protocol") {
      throw new UsageError("--header: use --protocol to offer subprotocols");
    }
    const problem = checkHeader(name, value);
    if (problem !== undefined) throw new UsageError(`--header: ${problem}`);
    // RFC 6265 section 5.4, and RFC 9110 section 5.3.
    const separator = name.toLowerCase() === "cookie" ? "; " : ", ";
    const before = headers.get(name);
    headers.set(name, before === null ? value : before + separator + value);
  }
  return Object.fromEntries(headers);
}

/** Starts the echo server of this project, on a free port. */
async function startServer(): Promise<Deno.HttpServer<Deno.NetAddr>> {
  // Ask for both ends at once: the user answers one question, not two.
  await Deno.permissions.request({ name: "net", host: hostname });
  const { handler } = await import("../echo_server.ts");
  return Deno.serve({ hostname, port: 0, onListen() {} }, handler);
}

/** Returns the error for the command line, if the user can understand it. */
function explain(error: unknown, url: string, isOwnServer: boolean): unknown {
  if (error instanceof ConversationError) {
    // Its own server is there, so the most likely cause is a proxy in between.
    const hint = isOwnServer && !error.timedOut
      ? ` (if HTTP_PROXY or ALL_PROXY is set, set NO_PROXY=${hostname})`
      : "";
    return new CommandError(error.message + hint);
  }
  const shown = withoutCredentials(url);
  if (error instanceof Deno.errors.NotCapable) {
    return new CommandError(`${printable(shown)}: ${error.message}`);
  }
  if (!(error instanceof DOMException && error.name === "SyntaxError")) {
    return error;
  }
  if (/^(Invalid|Cannot supply the same) protocol/.test(error.message)) {
    return new UsageError(
      `--protocol takes a token, and each token once: ${error.message}`,
    );
  }
  const problem = error.message.replaceAll(url, shown);
  return new UsageError(printable(
    `"${shown}" is not a WebSocket URL: ${problem} (wanted: ws://… or wss://…)`,
  ));
}
