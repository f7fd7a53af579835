// Prepares the process for its first connection.

import { onTooLongText } from "../shared/too_long_text.ts";
import { MiB } from "./units.ts";

/** Bytes. It must be below 32 MiB, the most that glibc takes for a threshold. */
const FREED_BYTES = 31 * MiB;

let isPrepared = false;

/** Does what needs to be done once in a process. */
export function prepare(): void {
  if (isPrepared) return;
  isPrepared = true;
  // Without this, one such message would end the process.
  onTooLongText(() =>
    console.error("A client sent a text message of more than 512 MiB")
  );
  // When a large buffer was freed once, glibc takes memory for smaller ones from
  // its heap and keeps it when they are freed (M_MMAP_THRESHOLD in mallopt(3)).
  // Otherwise every message of 128 KiB or more gets new pages from the kernel,
  // which takes longer than to echo it.
  new ArrayBuffer(FREED_BYTES).transfer(0);
}
