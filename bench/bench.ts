/**
 * Measures echo_server.ts beside other servers. All of them run all the time and
 * are measured in turn, because the speed of a machine drifts. The servers share
 * one core, and the load comes from the others. It takes about ten minutes.
 *
 * ```sh
 * deno task bench
 * ```
 *
 * The figures are ratios: of messages per second, and of messages per second of
 * CPU time of the server, in which the load generator has no part. CPU time and
 * memory are read from Linux's /proc. The other servers come from npm.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import {
  killAll,
  ROOT,
  type ServerProcess,
  startEchoServer,
  startServer,
} from "../testing/processes.ts";
import { BINARY, encodeFrame, RawPeer, TEXT } from "../testing/raw.ts";
import { memoryOf } from "../testing/slow/memory.ts";
import { KiB, MiB } from "../server/units.ts";

const ROUNDS = 20;
/** Milliseconds. */
const BURST = 250;
const CONNECTIONS = [1, 10, 100];
const MESSAGES = [
  { name: "20 B text", opcode: TEXT, size: 20 },
  { name: "1 KiB", opcode: BINARY, size: KiB },
  { name: "16 KiB", opcode: BINARY, size: 16 * KiB },
  { name: "64 KiB", opcode: BINARY, size: 64 * KiB },
  { name: "256 KiB", opcode: BINARY, size: 256 * KiB },
  { name: "1 MiB", opcode: BINARY, size: MiB },
];

/** The packages of the other servers, for this benchmark only. */
const PACKAGES = ["ws@8.23.0", "bun@1.4.5"];

/** A server to be measured. */
interface Program {
  name: string;
  start(): Promise<ServerProcess>;
}

/** Messages echoed in a burst, and what they took. */
interface Burst {
  /** Messages per second. */
  wall: number;
  /** Messages per second of the server's CPU time. */
  cpu: number;
}

/** Returns the CPU time of a process so far, in seconds, of all its threads. */
function cpuTime(pid: number): number {
  let nanoseconds = 0;
  for (const { name } of Deno.readDirSync(`/proc/${pid}/task`)) {
    const path = `/proc/${pid}/task/${name}/schedstat`;
    nanoseconds += Number(Deno.readTextFileSync(path).split(" ")[0]);
  }
  return nanoseconds / 1e9;
}

/** Lets all threads of a process run on these cores only, as in "1-3". */
async function pin(pid: number, cores: string): Promise<void> {
  const { success, stderr } = await new Deno.Command("taskset", {
    args: ["--all-tasks", "--pid", "--cpu-list", cores, `${pid}`],
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}

/** Frames with masks of their own, as a client sends them. */
function makeFrames(opcode: number, size: number) {
  const payload = new Uint8Array(size).fill(97);
  const count = size > 64 * KiB ? 4 : 64;
  return Array.from({ length: count }, () => encodeFrame({ opcode, payload }));
}

/** Sends a message over each connection when the one before has come back. */
async function burst(
  peers: RawPeer[],
  frames: Uint8Array<ArrayBuffer>[],
  { pid }: ServerProcess,
): Promise<Burst> {
  // An echo has no mask.
  const echoLength = frames[0]!.length - 4;
  const cpuBefore = cpuTime(pid);
  const start = performance.now();
  const end = start + BURST;
  const counts = await Promise.all(peers.map(async ({ connection }, i) => {
    const bytes = new Uint8Array(Math.min(echoLength, 256 * KiB));
    let count = 0;
    while (performance.now() < end) {
      const frame = frames[(i + count) % frames.length]!;
      for (let sent = 0; sent < frame.length;) {
        sent += await connection.write(sent > 0 ? frame.subarray(sent) : frame);
      }
      for (let received = 0; received < echoLength;) {
        const length = await connection.read(bytes);
        if (length === null) throw new Deno.errors.UnexpectedEof();
        received += length;
      }
      count++;
    }
    return count;
  }));
  const seconds = (performance.now() - start) / 1000;
  const messages = counts.reduce((sum, count) => sum + count);
  return {
    wall: messages / seconds,
    cpu: messages / (cpuTime(pid) - cpuBefore),
  };
}

/** Puts an array in a random order. */
function shuffle<T>(array: T[]): T[] {
  for (let i = array.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [array[i], array[j]] = [array[j]!, array[i]!];
  }
  return array;
}

/** Returns the median, and the quartiles around it. */
function spread(numbers: number[]) {
  const sorted = numbers.toSorted((a, b) => a - b);
  const at = (share: number) =>
    sorted[Math.round((sorted.length - 1) * share)]!;
  return { low: at(0.25), median: at(0.5), high: at(0.75) };
}

function format(numbers: number[]): string {
  const { low, median, high } = spread(numbers);
  return `${median.toFixed(2)} (${low.toFixed(2)}–${high.toFixed(2)})`;
}

/** Opens so many connections to a server. */
async function open(server: ServerProcess, count: number): Promise<RawPeer[]> {
  const peers = [];
  for (let i = 0; i < count; i++) peers.push(await RawPeer.open(server.port));
  return peers;
}

function closeAll(peers: RawPeer[]): void {
  for (const peer of peers) peer[Symbol.dispose]();
}

/** Installs the other servers into a folder. */
async function installPackages(folder: string): Promise<void> {
  const { success, stderr } = await new Deno.Command("npm", {
    args: ["install", "--silent", "--prefix", folder, ...PACKAGES],
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  // It has no types, so Node.js can run it under this name.
  const source = new URL("servers/ws.ts", import.meta.url);
  await Deno.copyFile(source, `${folder}/ws.mjs`);
}

/** Compares the servers: all of them run, and are measured in turn. */
async function compare(programs: Program[]): Promise<void> {
  const [, ...others] = programs;
  const names = others.map(({ name }) => `${name}: wall | CPU`);
  console.log("\n## Echo: echo_server.ts / another, median (quartiles)\n");
  console.log(
    `| message | connections | messages per second: wall | CPU | ${
      names.join(" | ")
    } |`,
  );
  console.log(`|---|---|---|---|${"---|---|".repeat(others.length)}`);
  const memories = [];
  for (const { name, opcode, size } of MESSAGES) {
    // New processes for each size, because an earlier size changes their heaps.
    const servers = await Promise.all(programs.map(({ start }) => start()));
    for (const { pid } of servers) await pin(pid, "0");
    const frames = makeFrames(opcode, size);
    for (const count of CONNECTIONS) {
      const peers = await Promise.all(servers.map((one) => open(one, count)));
      const bursts: Burst[][] = servers.map(() => []);
      for (let round = -1; round < ROUNDS; round++) {
        // The server before leaves its mark, so the order changes every time.
        for (const i of shuffle([...servers.keys()])) {
          const result = await burst(peers[i]!, frames, servers[i]!);
          if (round >= 0) bursts[i]!.push(result); // the first is to warm up
        }
      }
      peers.forEach(closeAll);
      const [ours, ...theirs] = bursts as [Burst[], ...Burst[][]];
      const kinds = ["wall", "cpu"] as const;
      const rates = kinds.map((kind) =>
        spread(ours.map((one) => one[kind])).median.toFixed(0)
      );
      const ratios = theirs.flatMap((their) =>
        kinds.map((kind) =>
          format(ours.map((one, i) => one[kind] / their[i]![kind]))
        )
      );
      console.log(`| ${[name, count, ...rates, ...ratios].join(" | ")} |`);
    }
    const used = await Promise.all(
      servers.map(async ({ pid }, i) =>
        `${programs[i]!.name} ${(await memoryOf(pid) / MiB).toFixed(0)} MiB`
      ),
    );
    memories.push(`- ${name}: ${used.join(", ")}`);
    for (const server of servers) await server[Symbol.asyncDispose]();
  }
  console.log(`\n## Memory after each message size\n\n${memories.join("\n")}`);
}

/** Measures main.ts beside a script that does nothing. */
async function timeMain(): Promise<void> {
  const run = async (...args: string[]) => {
    const start = performance.now();
    const { success } = await new Deno.Command(Deno.execPath(), {
      args: ["run", ...args],
      cwd: ROOT,
      stdin: "null",
      stdout: "null",
      stderr: "inherit",
    }).output();
    if (!success) throw new Error(`${args} failed`);
    return performance.now() - start;
  };
  const nothing = await Deno.makeTempFile({ suffix: ".ts" });
  const times: number[] = [];
  const more: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const main = await run("--allow-net", "main.ts") - 2000;
    times.push(main);
    more.push(main - await run("--allow-net", nothing));
  }
  await Deno.remove(nothing);
  console.log("\n## deno run --allow-net main.ts, in ms\n");
  console.log(`- beyond its own pauses of 2 s: ${format(times)}`);
  console.log(`- more than a script that does nothing: ${format(more)}`);
}

/** Measures the memory of idle connections. */
async function measureIdle(): Promise<void> {
  await using server = await startEchoServer();
  closeAll(await open(server, 100)); // the first ones load code
  const before = await memoryOf(server.pid);
  const peers = await open(server, 10_000);
  const each = (await memoryOf(server.pid) - before) / KiB / peers.length;
  closeAll(peers);
  console.log("\n## 10,000 idle connections\n");
  console.log(`- memory for each, in KiB: ${each.toFixed(1)}`);
}

if (import.meta.main) {
  if (Deno.build.os !== "linux") {
    console.error("The benchmark reads CPU time from /proc: it needs Linux");
    Deno.exit(1);
  }
  const cores = navigator.hardwareConcurrency;
  if (cores < 2) {
    console.error("The benchmark needs a core for the load: two at least");
    Deno.exit(1);
  }
  await pin(Deno.pid, `1-${cores - 1}`);
  const folder = await Deno.makeTempDir();
  const cleanUp = () => {
    killAll();
    Deno.removeSync(folder, { recursive: true });
  };
  Deno.addSignalListener("SIGINT", () => {
    cleanUp();
    Deno.exit(130);
  });
  const path = (name: string) =>
    fileURLToPath(new URL(`servers/${name}.ts`, import.meta.url));
  const programs: Program[] = [
    { name: "echo_server.ts", start: () => startEchoServer() },
    {
      name: "bare handler",
      start: () =>
        startServer(Deno.execPath(), ["run", "--allow-net", path("bare")]),
    },
  ];
  try {
    try {
      await installPackages(folder);
      programs.push(
        { name: "ws", start: () => startServer("node", [`${folder}/ws.mjs`]) },
        {
          name: "Bun",
          start: () =>
            startServer(`${folder}/node_modules/.bin/bun`, [path("bun")]),
        },
      );
    } catch (error) {
      const { message } = error as Error;
      console.error(`Not measured: ${PACKAGES.join(", ")} (npm: ${message})`);
    }
    console.log(
      `Deno ${Deno.version.deno}${
        programs.length > 2 ? `, ${PACKAGES.join(", ")}` : ""
      }; ${cores} cores`,
    );
    await compare(programs);
    await measureIdle();
    await timeMain();
  } finally {
    cleanUp();
  }
}
