import { assertEquals } from "@std/assert";
import { onTooLongText } from "./too_long_text.ts";

Deno.test("onTooLongText() handles that error, and leaves others to Deno", () => {
  let count = 0;
  onTooLongText(() => count++);
  for (
    const [message, handled] of [
      ["RangeError: failed to allocate string; buffer exceeds maximum", true],
      ["Another error", false],
      [undefined, false],
    ] as const
  ) {
    const event = new PromiseRejectionEvent("unhandledrejection", {
      promise: Promise.resolve(),
      reason: message === undefined ? undefined : new Error(message),
      cancelable: true,
    });
    count = 0;
    dispatchEvent(event);
    assertEquals([event.defaultPrevented, count === 1], [handled, handled]);
  }
});
