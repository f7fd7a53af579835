// The command line of echo_server.ts.

import { parseFlags, parseSeconds, quote } from "../shared/arguments.ts";
import { CommandError, run, UsageError } from "../shared/exit.ts";
import { readKeyPair } from "../shared/pem.ts";
import { printable } from "../shared/printable.ts";
import type { Connections } from "./connections.ts";
import { keepServing, type Service } from "./keep_serving.ts";
import { pathOfPlainGet } from "./plain_http.ts";
import type { SharedMemory } from "./send_queue.ts";
import { MiB } from "./units.ts";

/** What --help prints. */
export const HELP = `Echoes every WebSocket message to its sender.

Usage: deno run --allow-net echo_server.ts [OPTIONS]

Options:
  --hostname NAME         the address to listen on (default 127.0.0.1)
  --port NUMBER           the port, 0 for a free one (default 8000)
  --cert FILE --key FILE  a TLS certificate and its private key, in PEM, to
                          serve wss:// and https:// (needs --allow-read)
  --drain SECONDS         when it is told to stop, let open connections go on for
                          so long and refuse new ones (default 0)
  --max-memory MIB        stop when the process takes more memory than this, for
                          a supervisor to start it again (default 1536)
  -h, --help              print this text

SIGINT (Ctrl-C), SIGTERM and SIGHUP stop it, on Windows SIGBREAK (Ctrl-Break),
too. A second one ends --drain.

Exit code:
  0  a signal stopped it
  1  it could not start, or not listen again
  2  the command was wrong
  3  clients have taken too much memory, or file descriptors that cannot be freed:
     start it again`;

/** The options, as `parseArgs` wants them. */
export const OPTIONS = {
  hostname: { type: "string", default: "127.0.0.1" },
  port: { type: "string", default: "8000" },
  cert: { type: "string" },
  key: { type: "string" },
  drain: { type: "string", default: "0" },
  "max-memory": { type: "string", default: "1536" },
  help: { type: "boolean", short: "h" },
} as const;

/** How much of --max-memory may be echoes that peers have not read. */
const WAITING_SHARE = 1 / 3;

/** Serves what the command line asks for, until a signal. */
export function main(
  handler: (request: Request) => Response,
  connections: Connections,
  memory: SharedMemory,
): Promise<void> {
  return run(async () => {
    const { values } = parseFlags({ args: Deno.args, options: OPTIONS });
    if (values.help) return console.log(HELP);
    if (values.hostname === "") {
      throw new UsageError("--hostname takes a host name or an address");
    }
    const drain = parseSeconds("--drain", values.drain, 0);
    const maxMemory = MiB *
      parseWhole("--max-memory", values["max-memory"], 256, 1_048_576);
    memory.size = WAITING_SHARE * maxMemory;
    const options = {
      hostname: values.hostname,
      port: parseWhole("--port", values.port, 0, 65535),
      ...await readKeyPair(values, "cert", "key"),
      onListen() {},
    };
    // --help does not need it.
    const { servePage, linkToPage } = await import("../page/files.ts");
    // The server needs no file from here on, so no client can get one.
    await Deno.permissions.revoke({ name: "read" });
    const address = listen(options, {
      handler: (request) => {
        const path = pathOfPlainGet(request);
        return servePage(request, path) ??
          linkToPage(request, handler(request));
      },
      connections,
      drain,
      maxMemory,
    });
    console.log(describeAddress(address, "cert" in options));
  });
}

type Options = Deno.ServeTcpOptions & Partial<Deno.TlsCertifiedKeyPem>;

/** Starts the server. */
function listen(options: Options, service: Service): Deno.NetAddr {
  try {
    return keepServing(options, service);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    const where = printable(`"${options.hostname}" port ${options.port}`);
    const problem = error instanceof Deno.errors.AddrInUse
      ? "it is in use (choose another with --port, 0 picks a free one)"
      : printable((error as Error).message);
    throw new CommandError(`Cannot listen on ${where}: ${problem}`);
  }
}

/** Returns the line that says where the server listens. */
function describeAddress(address: Deno.NetAddr, secure: boolean): string {
  // Where a client on this machine finds a server on all addresses.
  const local = { "0.0.0.0": "127.0.0.1", "::": "::1" }[address.hostname];
  const hostname = local ?? address.hostname;
  const host = hostname.includes(":") ? `[${hostname}]` : hostname;
  const at = `${host}:${address.port}`;
  const all = local ? " and on all other addresses of this machine" : "";
  return secure
    ? `Listening on wss://${at}/${all} (open https://${at}/)`
    : `Listening on ws://${at}/${all} (try: deno run --allow-net main.ts ws://${at}/, or open http://${at}/)`;
}

/**
 * Returns a whole number.
 *
 * @throws {UsageError} If the value is not a whole number in this range.
 */
function parseWhole(
  flag: string,
  text: string,
  least: number,
  most: number,
): number {
  const number = Number(text);
  if (!/^\d{1,7}$/.test(text) || number < least || number > most) {
    throw new UsageError(
      `${flag} takes a whole number from ${least} to ${most}, not ${
        quote(text)
      }`,
    );
  }
  return number;
}
