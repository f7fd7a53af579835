/**
 * Handles what Deno throws outside of all code of a program when a text message
 * of more than 512 MiB arrives over a WebSocket.
 *
 * @module
 */

/**
 * Returns a listener for `unhandledrejection` events. Without it, a text message
 * that is too long for a string ends the process.
 *
 * @param handle What to do. The connection itself stays open.
 */
export function tooLongTextListener(
  handle: () => void,
): (event: PromiseRejectionEvent) => void {
  return (event) => {
    if (!/failed to allocate string/.test(event.reason?.message)) return;
    event.preventDefault();
    handle();
  };
}
