// Handles what Deno throws outside of all code of a program when a text message
// of more than 512 MiB arrives over a WebSocket.

/**
 * Calls a function when a text message arrives that is too long for a string.
 * Without it, that ends the process. The connection itself stays open.
 */
export function onTooLongText(handle: () => void): void {
  addEventListener("unhandledrejection", (event) => {
    if (!/failed to allocate string/.test(event.reason?.message)) return;
    event.preventDefault();
    handle();
  });
}
