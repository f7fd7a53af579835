import { assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";

/** Fails if bytes are not the same, and says where the first difference is. */
export function assertSameBytes(actual: ArrayBuffer, expected: ArrayBuffer) {
  const [one, other] = [Buffer.from(actual), Buffer.from(expected)];
  if (one.equals(other)) return;
  assertEquals(one.length, other.length, "bytes");
  const i = one.findIndex((byte, i) => byte !== other[i]);
  assertEquals(one[i], other[i], `byte ${i} of ${one.length}`);
}
