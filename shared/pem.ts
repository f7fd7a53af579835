/**
 * Reads certificates and keys in PEM (RFC 7468).
 *
 * @module
 */

import { quote } from "./arguments.ts";
import { CommandError, UsageError } from "./exit.ts";
import { printable } from "./printable.ts";

/**
 * Reads a certificate and its private key, if the two options that name their
 * files are given.
 *
 * @throws {UsageError} If only one of them is given.
 * @throws {CommandError} If a file cannot be read, is empty or is encrypted.
 */
export async function readKeyPair(
  certFlag: string,
  cert: string | undefined,
  keyFlag: string,
  key: string | undefined,
): Promise<Deno.TlsCertifiedKeyPem | undefined> {
  if (cert === undefined && key === undefined) return;
  if (cert === undefined || key === undefined) {
    throw new UsageError(`${certFlag} and ${keyFlag} go together`);
  }
  return {
    cert: await readPEM(certFlag, cert),
    key: await readPEM(keyFlag, key),
  };
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
