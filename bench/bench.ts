/**
 * Measures echo_server.ts beside what people would use instead, all at once and
 * in turn, because a machine's speed drifts. It takes about five minutes.
 *
 * ```sh
 * deno task bench
 * ```
 *
 * The figures are ratios: of messages a second, and of messages a second of the
 * server's own CPU time, which the load generator can not spoil. CPU time and
 * memory are read from Linux's /proc.
 *
 * @module
 */

import { stripTypeScriptTypes } from "node:module";
import { fileURLToPath } from "node:url";
import {
  type EchoServer,
  ROOT,
  startEchoServer,
  startServer,
} from "../testing/processes.ts";
import { BINARY, encodeFrame, RawPeer, TEXT } from "../testing/raw.ts";

const ROUNDS = 20;
/** Milliseconds. */
const BURST = 250;
const CONNECTIONS = [1, 10, 100];
const MESSAGES = [
  { name: "20 B text", opcode: TEXT, size: 20 },
  { name: "1 KiB", opcode: BINARY, size: 1024 },
  { name: "16 KiB", opcode: BINARY, size: 16 * 1024 },
  { name: "1 MiB", opcode: BINARY, size: 1024 * 1024 },
];

/** Version of the package ws: a development dependency of this file only. */
const WS = "ws@8.23.0";

/** A server to be measured. */
interface Program {
  name: string;
  start(): Promise<EchoServer>;
}

/** Messages echoed in a burst, and what they took. */
interface Burst {
  /** Messages a second. */
  wall: number;
  /** Messages a second of the server's CPU time. */
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

/** Returns the resident memory of a process, in KiB. */
function memory(pid: number): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]);
}

/** Frames with masks of their own, as a client sends them. */
function makeFrames(opcode: number, size: number) {
  const payload = new Uint8Array(size).fill(97);
  const count = size > 65536 ? 4 : 64;
  return Array.from({ length: count }, () => encodeFrame({ opcode, payload }));
}

/** Sends a message over each connection when the one before has come back. */
async function burst(
  peers: RawPeer[],
  frames: Uint8Array<ArrayBuffer>[],
  { pid }: EchoServer,
): Promise<Burst> {
  // An echo has no mask.
  const echoLength = frames[0].length - 4;
  const cpuBefore = cpuTime(pid);
  const start = performance.now();
  const end = start + BURST;
  const counts = await Promise.all(peers.map(async ({ connection }, i) => {
    const bytes = new Uint8Array(Math.min(echoLength, 256 * 1024));
    let count = 0;
    while (performance.now() < end) {
      const frame = frames[(i + count) % frames.length];
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
    [array[i], array[j]] = [array[j], array[i]];
  }
  return array;
}

/** Returns the median, and the quartiles around it. */
function spread(numbers: number[]) {
  const sorted = numbers.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.round((sorted.length - 1) * share)];
  return { low: at(0.25), median: at(0.5), high: at(0.75) };
}

function format(numbers: number[]): string {
  const { low, median, high } = spread(numbers);
  return `${median.toFixed(2)} (${low.toFixed(2)}–${high.toFixed(2)})`;
}

/** Opens so many connections to a server. */
async function open(server: EchoServer, count: number): Promise<RawPeer[]> {
  const peers = [];
  for (let i = 0; i < count; i++) peers.push(await RawPeer.open(server.port));
  return peers;
}

function closeAll(peers: RawPeer[]): void {
  for (const peer of peers) peer[Symbol.dispose]();
}

/** Returns the version of a command, if it is there to be run. */
async function versionOf(command: string): Promise<string | undefined> {
  try {
    const { stdout } = await new Deno.Command(command, { args: ["--version"] })
      .output();
    return new TextDecoder().decode(stdout).trim();
  } catch {
    return undefined;
  }
}

/** Installs ws and the server that uses it, for the occasion. */
async function installWs(folder: string): Promise<void> {
  const { success, stderr } = await new Deno.Command("npm", {
    args: ["install", "--silent", "--no-save", "--prefix", folder, WS],
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  const source = new URL("servers/ws.ts", import.meta.url);
  const script = stripTypeScriptTypes(await Deno.readTextFile(source));
  await Deno.writeTextFile(`${folder}/ws.mjs`, script);
}

/** Compares the servers: all of them up, and asked in turn. */
async function compare(programs: Program[]): Promise<void> {
  const [, ...others] = programs;
  const names = others.map(({ name }) => `${name}: wall | CPU`);
  console.log("\n## Echo: echo_server.ts / another, median (quartiles)\n");
  console.log(
    `| message | connections | messages/s: wall | CPU | ${names.join(" | ")} |`,
  );
  console.log(`|---|---|---|---|${"---|---|".repeat(others.length)}`);
  const memories = [];
  for (const { name, opcode, size } of MESSAGES) {
    // New processes for each size: what an earlier one did to their heaps shows.
    const servers = await Promise.all(programs.map(({ start }) => start()));
    const frames = makeFrames(opcode, size);
    for (const count of CONNECTIONS) {
      const peers = await Promise.all(servers.map((one) => open(one, count)));
      const bursts: Burst[][] = servers.map(() => []);
      for (let round = -1; round < ROUNDS; round++) {
        // Who was asked before leaves its mark: it should be another each time.
        for (const i of shuffle([...servers.keys()])) {
          const result = await burst(peers[i], frames, servers[i]);
          if (round >= 0) bursts[i].push(result); // the first is to warm up
        }
      }
      peers.forEach(closeAll);
      const [ours, ...theirs] = bursts;
      const kinds = ["wall", "cpu"] as const;
      const rates = kinds.map((kind) =>
        spread(ours.map((one) => one[kind])).median.toFixed(0)
      );
      const ratios = theirs.flatMap((their) =>
        kinds.map((kind) =>
          format(ours.map((one, i) => one[kind] / their[i][kind]))
        )
      );
      console.log(`| ${[name, count, ...rates, ...ratios].join(" | ")} |`);
    }
    const used = servers.map(({ pid }, i) =>
      `${programs[i].name} ${(memory(pid) / 1024).toFixed(0)} MiB`
    );
    memories.push(`- ${name}: ${used.join(", ")}`);
    for (const server of servers) await server[Symbol.asyncDispose]();
  }
  console.log(`\n## Memory after each message size\n\n${memories.join("\n")}`);
}

/**
 * Compares two processes that share a port with one that has it for itself.
 * Each of the two is measured while the other has nothing to do, because the
 * load needs a core as well: what they do at a time on two cores of their own is
 * the sum, as they share nothing but the port.
 */
async function compareShared(): Promise<void> {
  await using one = await startEchoServer();
  await using first = await startEchoServer("--reuse-port");
  const port = ["--reuse-port", "--port", `${first.port}`];
  await using second = await startEchoServer(...port);
  const frames = makeFrames(TEXT, 20);
  const alone = await open(one, 100);
  const shared = await open(first, 100);
  const sockets = socketsOf(first);
  const ofFirst = shared.filter((peer) => sockets.has(localPort(peer)));
  const ofSecond = shared.filter((peer) => !sockets.has(localPort(peer)));
  const gains: number[] = [];
  for (let round = -1; round < ROUNDS; round++) {
    const whole = await burst(alone, frames, one);
    const part = await burst(ofFirst, frames, first);
    const rest = await burst(ofSecond, frames, second);
    if (round >= 0) gains.push((part.wall + rest.wall) / whole.wall);
  }
  closeAll([...alone, ...shared]);
  console.log("\n## Two processes with --reuse-port / one\n");
  console.log(`- messages a second: ${format(gains)}`);
  console.log(
    `- of 100 connections the kernel dealt them ${ofFirst.length} and ${ofSecond.length}`,
  );
}

function localPort({ connection }: RawPeer): number {
  return (connection.localAddr as Deno.NetAddr).port;
}

/** Returns the ports of the peers that a server has a connection with. */
function socketsOf({ pid }: EchoServer): Set<number> {
  const inodes = new Set<string>();
  for (const { name } of Deno.readDirSync(`/proc/${pid}/fd`)) {
    const target = Deno.readLinkSync(`/proc/${pid}/fd/${name}`);
    const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1];
    if (inode !== undefined) inodes.add(inode);
  }
  const ports = new Set<number>();
  for (const line of Deno.readTextFileSync("/proc/net/tcp").split("\n")) {
    const columns = line.trim().split(/\s+/);
    if (!inodes.has(columns[9])) continue;
    ports.add(parseInt(columns[2].split(":")[1], 16));
  }
  return ports;
}

/** Measures the main job, and beside it a script that does nothing. */
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

/** Measures what a connection takes that has nothing to say. */
async function measureIdle(): Promise<void> {
  await using server = await startEchoServer();
  closeAll(await open(server, 100)); // what the first ones load stays
  const before = memory(server.pid);
  const peers = await open(server, 10_000);
  const each = (memory(server.pid) - before) / peers.length;
  closeAll(peers);
  console.log("\n## 10 000 idle connections\n");
  console.log(`- memory for each, in KiB: ${each.toFixed(1)}`);
}

if (import.meta.main) {
  if (Deno.build.os !== "linux") {
    console.error("The benchmark reads CPU time from /proc: it needs Linux");
    Deno.exit(1);
  }
  const folder = await Deno.makeTempDir();
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
  const versions = [`Deno ${Deno.version.deno}`];
  const node = await versionOf("node");
  if (node !== undefined) {
    await installWs(folder);
    programs.push({
      name: "ws",
      start: () => startServer("node", [`${folder}/ws.mjs`]),
    });
    versions.push(`${WS} on Node.js ${node}`);
  }
  const bun = await versionOf("bun");
  if (bun !== undefined) {
    programs.push({
      name: "Bun",
      start: () => startServer("bun", [path("bun")]),
    });
    versions.push(`Bun ${bun}`);
  }
  console.log(`${versions.join(", ")}; ${navigator.hardwareConcurrency} cores`);
  try {
    await compare(programs);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  await compareShared();
  await measureIdle();
  await timeMain();
}
