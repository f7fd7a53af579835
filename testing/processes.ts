/**
 * Runs the project's programs as a user does: as processes.
 *
 * @module
 */

/** What main.ts prints. */
export const SIX_LINES = [
  "connected",
  "client -> server: Hello WebSocket!",
  "client <- server: Hello WebSocket!",
  "client -> server: Hello World!",
  "client <- server: Hello World!",
  "disconnected",
];

/** The folder of main.ts. */
export const ROOT = new URL("..", import.meta.url);

/** The folder of the certificates for tests, from {@linkcode ROOT}. */
export const CERTIFICATES = "testing/certificates";

/** Flags of `deno run` that make it trust these certificates. */
export const TRUST = ["--cert", `${CERTIFICATES}/ca.pem`];

/** Options of echo_server.ts to serve TLS. */
export const TLS = [
  ...["--cert", `${CERTIFICATES}/localhost.pem`],
  ...["--key", `${CERTIFICATES}/localhost.key`],
];

/** What a process did. */
export interface Result {
  code: number;
  stdout: string;
  stderr: string;
  /** How long it ran, in milliseconds. */
  time: number;
}

/** The processes that are running. */
const running = new Set<Deno.ChildProcess>();

/** Ends what a failed test has left running. */
export function killAll(): void {
  for (const process of running) kill(process, "SIGKILL");
}

/** Sends a signal to a process, unless it has ended. */
function kill(process: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    process.kill(signal);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
  }
}

/** Options for {@linkcode startProcess}. */
export interface ProcessOptions {
  /** @default {ROOT} */
  cwd?: string | URL;
  /** Environment variables to set. */
  env?: Record<string, string>;
}

/** A process that is killed when it goes out of scope. */
export interface RunningProcess extends AsyncDisposable {
  pid: number;
  /** Sends a signal, unless it has ended. */
  kill(signal: Deno.Signal): void;
  /** What it wrote to standard output, as it arrives. */
  stdout: ReadableStream<string>;
  /** What it did, once it has ended. */
  ended: Promise<Result>;
}

/** Starts a process with no terminal and no input. */
export function startProcess(
  program: string,
  args: string[],
  { cwd = ROOT, env = {} }: ProcessOptions = {},
): RunningProcess {
  const start = performance.now();
  const process = new Deno.Command(program, {
    args,
    cwd,
    env: { NO_COLOR: "1", ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  running.add(process);
  const [stdout, copy] = process.stdout.pipeThrough(new TextDecoderStream())
    .tee();
  const ended = (async () => {
    const [output, stderr, { code }] = await Promise.all([
      Array.fromAsync(copy),
      new Response(process.stderr).text(),
      process.status,
    ]);
    running.delete(process);
    const time = performance.now() - start;
    return { code, stdout: output.join(""), stderr, time };
  })();
  return {
    pid: process.pid,
    kill: (signal) => kill(process, signal),
    stdout,
    ended,
    async [Symbol.asyncDispose]() {
      kill(process, "SIGKILL");
      await ended;
    },
  };
}

/** Runs a program to its end. */
export function runToEnd(
  program: string,
  args: string[],
  options?: ProcessOptions,
): Promise<Result> {
  return startProcess(program, args, options).ended;
}

/** Runs Deno in the project's folder. */
export function deno(...args: string[]): Promise<Result> {
  return runToEnd(Deno.execPath(), args);
}

/** Runs main.ts with the one permission that it needs. */
export function main(...args: string[]): Promise<Result> {
  return deno("run", "--allow-net", "main.ts", ...args);
}

/** A server in a process of its own. */
export interface ServerProcess extends RunningProcess {
  /** The line that it printed. */
  line: string;
  /** The URL in that line. */
  url: string;
  port: number;
}

/**
 * Starts echo_server.ts, on a free port unless the arguments name one, and waits
 * until it listens.
 */
export function startEchoServer(...args: string[]): Promise<ServerProcess> {
  const flags = ["--quiet", "--allow-net", "--allow-read"];
  return startServer(
    Deno.execPath(),
    ["run", ...flags, "echo_server.ts", "--port", "0", ...args],
  );
}

/** The same for any program that prints a line with its URL. */
export async function startServer(
  program: string,
  args: string[],
  options?: ProcessOptions,
): Promise<ServerProcess> {
  const process = startProcess(program, args, options);
  let line = "";
  // To cancel one branch of a tee would wait for the other.
  for await (const text of process.stdout.values({ preventCancel: true })) {
    line += text;
    if (line.includes("\n")) break;
  }
  if (!line.includes("\n")) {
    throw new Error(`It ended at once: ${(await process.ended).stderr}`);
  }
  const url = /wss?:\S+\//.exec(line)![0];
  return {
    ...process,
    line: line.trimEnd(),
    url,
    port: Number(new URL(url).port),
  };
}
