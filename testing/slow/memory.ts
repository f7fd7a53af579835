/**
 * Fills the memory of a server, and measures it.
 *
 * @module
 */

import { setTimeout as delay } from "node:timers/promises";
import { MiB } from "../../server/units.ts";
import { encodeFrame, type Frame, type RawPeer } from "../raw.ts";

/** Returns the memory of a process, in bytes. */
export async function memoryOf(pid: number): Promise<number> {
  const { stdout } = await new Deno.Command("ps", {
    args: ["-o", "rss=", "-p", `${pid}`],
  }).output();
  return Number(new TextDecoder().decode(stdout)) * 1024;
}

/** Returns so many copies of a frame that they take so many bytes, or more. */
export function batchOf(
  frame: Frame,
  bytes: number = MiB,
): Uint8Array<ArrayBuffer> {
  const one = encodeFrame(frame);
  const count = Math.ceil(bytes / one.length);
  const all = new Uint8Array(count * one.length);
  for (let i = 0; i < count; i++) all.set(one, i * one.length);
  return all;
}

/**
 * Writes data so many times, or until the other end drops the connection or has
 * read nothing for three seconds.
 *
 * @returns How many times it was written.
 */
export async function writeAsLongAsRead(
  peer: RawPeer,
  data: Uint8Array<ArrayBuffer>,
  times: number,
): Promise<number> {
  for (let i = 0; i < times; i++) {
    const writing = peer.write(data);
    // If it is given up, it fails when the test closes the connection.
    writing.catch(() => {});
    const over = new AbortController();
    const late = delay(3000, true, { signal: over.signal });
    const isOver = await Promise.race([writing, late]).catch(() => true);
    over.abort();
    if (isOver) return i;
  }
  return times;
}
