/**
 * The command line of echo_server.ts.
 *
 * @module
 */

import { countConnections, handler, shutDown } from "../echo_server.ts";
import { printable } from "../lib/printable.ts";
import { servePage } from "../page/serve.ts";
import { parseFlags, parsePort, quote } from "./arguments.ts";
import { CommandError, onTooLongText, run, UsageError } from "./errors.ts";
import { serve } from "./serve.ts";

const HELP = `Echoes every WebSocket message to its sender.

Usage: deno run --allow-net echo_server.ts [OPTIONS]

Options:
  --hostname NAME         the address to listen on (default 127.0.0.1)
  --port NUMBER           the port, 0 for a free one (default 8000)
  --cert FILE --key FILE  a TLS certificate and its private key, in PEM, to
                          serve wss:// and https:// (needs --allow-read)
  --reuse-port            share the port with other processes, on Linux (needs
                          --unstable-net)
  -h, --help              print this text

SIGINT, SIGTERM and SIGHUP stop it.

Exit code:
  0  a signal stopped it
  1  it could not start
  2  the command was wrong
  3  its file descriptors were lost to handshakes that clients had reset: start
     it again`;

/** Serves what the command line asks for, until a signal. */
export function main(args: string[]): Promise<void> {
  return run(async () => {
    const { values } = parseFlags({
      args,
      options: {
        hostname: { type: "string", default: "127.0.0.1" },
        port: { type: "string", default: "8000" },
        cert: { type: "string" },
        key: { type: "string" },
        "reuse-port": { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    });
    if (values.help) return console.log(HELP);
    if (values.hostname === "") {
      throw new UsageError("--hostname takes a host name or an address");
    }
    if ((values.cert === undefined) !== (values.key === undefined)) {
      throw new UsageError("--cert and --key go together");
    }
    // Deno has this function only with the flag.
    if (values["reuse-port"] && !("listenDatagram" in Deno)) {
      throw new UsageError("--reuse-port needs deno run --unstable-net");
    }
    const options = {
      hostname: values.hostname,
      port: parsePort("--port", values.port),
      reusePort: values["reuse-port"],
      cert: await readPEM("--cert", values.cert),
      key: await readPEM("--key", values.key),
      onListen() {},
    };
    // The server needs no file from here on, so no client can get one.
    await Deno.permissions.revoke({ name: "read" });
    onTooLongText(() =>
      console.error("A client sent a text message of more than 512 MiB")
    );
    const address = listen(options);
    const at = connectable(address);
    console.log(
      options.cert === undefined
        ? `Listening on ws://${at}/ (try: deno run --allow-net main.ts ws://${at}/, or open http://${at}/)`
        : `Listening on wss://${at}/ (open https://${at}/)`,
    );
  });
}

type Options = Deno.ServeTcpOptions & Partial<Deno.TlsCertifiedKeyPem>;

/** Starts the server. */
function listen(options: Options): Deno.NetAddr {
  try {
    return serve(options, {
      handler: (request) => servePage(request) ?? handler(request),
      shutDown,
      countConnections,
    });
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    const { message } = error as Error;
    const where = printable(`"${options.hostname}" port ${options.port}`);
    if (error instanceof Deno.errors.AddrInUse) {
      throw new CommandError(
        `Cannot listen on ${where}: it is in use (choose another with --port, 0 takes a free one)`,
      );
    }
    if (options.cert !== undefined && /\b(key|cert)/i.test(message)) {
      throw new CommandError(
        `Cannot use --cert with --key: ${printable(message)}`,
      );
    }
    throw new CommandError(`Cannot listen on ${where}: ${printable(message)}`);
  }
}

/** Returns where a client on this machine finds the server. */
function connectable({ hostname, port }: Deno.NetAddr): string {
  if (hostname === "0.0.0.0") hostname = "127.0.0.1";
  if (hostname === "::") hostname = "::1";
  return `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}

/** Returns the text of a PEM file (RFC 7468), if the option is given. */
async function readPEM(
  flag: string,
  path: string | undefined,
): Promise<string | undefined> {
  if (path === undefined) return undefined;
  let text;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    const { message } = error as Error;
    throw new CommandError(
      `Cannot read ${flag} ${quote(path)}: ${printable(message)}`,
    );
  }
  if (text.trim() === "") {
    throw new CommandError(`Cannot use ${flag} ${quote(path)}: it is empty`);
  }
  if (/-----BEGIN ENCRYPTED|Proc-Type: 4,ENCRYPTED/.test(text)) {
    throw new CommandError(
      `Cannot use ${flag} ${
        quote(path)
      }: it is encrypted (decrypt it with openssl pkey)`,
    );
  }
  return text;
}
