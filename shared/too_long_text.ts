/**
 * Handles what Deno throws outside of all code of a program when a text message
 * of more than 512 MiB arrives over a WebSocket.
 *
 * @module
 */

/**
 * Calls a function when a text message arrives that is too long for a string.
 * Without it, that ends the process.
 *
 * @param handle What to do. The connection itself stays open.
 *
 * @example
 * ```ts no-eval
 * import { onTooLongText } from "./too_long_text.ts";
 *
 * onTooLongText(() => console.error("A text message was too long"));
 * ```
 */
export function onTooLongText(handle: () => void): void {
  addEventListener("unhandledrejection", (event) => {
    if (!/failed to allocate string/.test(event.reason?.message)) return;
    event.preventDefault();
    handle();
  });
}
