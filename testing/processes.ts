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

/** Whether the permissions of `deno task test` are there. */
export const PERMITTED = ["run", "net"].every((name) =>
  Deno.permissions.querySync(
    { name, host: "127.0.0.1" } as Deno.PermissionDescriptor,
  ).state === "granted"
);

/** A test that is ignored without the permissions of `deno task test`. */
export function test(
  name: string,
  fn: () => Promise<void>,
  ignore = false,
): void {
  Deno.test({ name, ignore: !PERMITTED || ignore, fn });
}

/** What a process did. */
export interface Result {
  code: number;
  stdout: string;
  stderr: string;
  /** How long it ran, in milliseconds. */
  time: number;
}

/** Runs Deno in the project's folder, with no terminal and no input. */
export async function deno(...args: string[]): Promise<Result> {
  const start = performance.now();
  const { code, stdout, stderr } = await command(Deno.execPath(), args)
    .output();
  return {
    code,
    stdout: new TextDecoder().decode(stdout),
    stderr: new TextDecoder().decode(stderr),
    time: performance.now() - start,
  };
}

/** Runs main.ts with the one permission that it needs. */
export function main(...args: string[]): Promise<Result> {
  return deno("run", "--allow-net", "main.ts", ...args);
}

/** An echo server in a process of its own. */
export interface EchoServer extends AsyncDisposable {
  /** The line it printed. */
  line: string;
  /** The URL in that line. */
  url: string;
  port: number;
  pid: number;
  /** Sends a signal; nothing, if it has ended by itself. */
  kill(signal: Deno.Signal): void;
  /** What it did, once it has ended. */
  ended: Promise<Result>;
}

/**
 * Starts echo_server.ts, on a free port unless the arguments say otherwise, and
 * waits until it listens. Out of scope it is killed.
 */
export function startEchoServer(...args: string[]): Promise<EchoServer> {
  const flags = ["--allow-net", "--allow-read", "--unstable-net"];
  return startServer(
    Deno.execPath(),
    ["run", ...flags, "echo_server.ts", "--port", "0", ...args],
  );
}

/** The same for any program that prints a line with its URL. */
export async function startServer(
  program: string,
  args: string[],
): Promise<EchoServer> {
  const start = performance.now();
  const process = command(program, args).spawn();
  const stderr = new Response(process.stderr).text();
  const reader = process.stdout.pipeThrough(new TextDecoderStream())
    .getReader();
  let line = "";
  while (!line.includes("\n")) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`It ended at once: ${await stderr}`);
    line += value;
  }
  const ended = (async () => {
    let stdout = line;
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      stdout += value;
    }
    const { code } = await process.status;
    const time = performance.now() - start;
    return { code, stdout, stderr: await stderr, time };
  })();
  const url = /wss?:\S+\//.exec(line)![0];
  const kill = (signal: Deno.Signal) => {
    try {
      process.kill(signal);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // it has ended
    }
  };
  return {
    line: line.trimEnd(),
    url,
    port: Number(new URL(url).port),
    pid: process.pid,
    kill,
    ended,
    async [Symbol.asyncDispose]() {
      kill("SIGKILL");
      await ended;
    },
  };
}

function command(program: string, args: string[]): Deno.Command {
  return new Deno.Command(program, {
    args,
    cwd: ROOT,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
}
