/**
 * Prepares the process for its first connection.
 *
 * @module
 */

import { tooLongTextListener } from "../shared/too_long_text.ts";
import { MiB } from "./units.ts";

/** Bytes. It must be below 32 MiB, the most that glibc takes for a threshold. */
const FREED_BYTES = 31 * MiB;

const reportTooLongText = tooLongTextListener(() =>
  console.error("A client sent a text message of more than 512 MiB")
);

let isPrepared = false;

/** Does what needs to be done once in a process. */
export function prepare(): void {
  if (isPrepared) return;
  isPrepared = true;
  // Without a listener, one such message would end the process.
  addEventListener("unhandledrejection", reportTooLongText);
  // When a large buffer was freed once, glibc takes memory for smaller ones from
  // its heap and keeps it when they are freed (M_MMAP_THRESHOLD in mallopt(3)).
  // Otherwise every message of 128 KiB or more gets new pages from the kernel,
  // which takes longer than to echo it.
  new ArrayBuffer(FREED_BYTES).transfer(0);
}
