// Reads certificates and keys in PEM (RFC 7468).

import { quote } from "./arguments.ts";
import { CommandError, UsageError } from "./exit.ts";
import { printable } from "./printable.ts";

/**
 * Reads the certificate and the private key that two options name, if any.
 *
 * @throws {UsageError} If only one of the options is given.
 * @throws {CommandError} If they cannot be read or used.
 */
export async function readKeyPair(
  values: Record<string, unknown>,
  cert: string,
  key: string,
): Promise<Deno.TlsCertifiedKeyPem | undefined> {
  const count = [cert, key].filter((name) => values[name] !== undefined).length;
  if (count === 0) return;
  if (count === 1) throw new UsageError(`--${cert} and --${key} go together`);
  const pair = {
    cert: await readPEM(`--${cert}`, `${values[cert]}`),
    key: await readPEM(`--${key}`, `${values[key]}`),
  };
  try {
    Deno.createHttpClient(pair).close(); // it looks at both
  } catch (error) {
    const problem = printable((error as Error).message);
    throw new CommandError(`Cannot use --${cert} with --${key}: ${problem}`);
  }
  return pair;
}

async function readPEM(flag: string, path: string): Promise<string> {
  let text;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    const { message } = error as Error;
    throw new CommandError(
      `Cannot read ${flag} ${quote(path)}: ${printable(message)}`,
    );
  }
  const problem = text.trim() === ""
    ? "it is empty"
    : /-----BEGIN ENCRYPTED|Proc-Type: 4,ENCRYPTED/.test(text)
    ? "it is encrypted (decrypt it with openssl pkey)"
    : undefined;
  if (problem === undefined) return text;
  throw new CommandError(`Cannot use ${flag} ${quote(path)}: ${problem}`);
}
