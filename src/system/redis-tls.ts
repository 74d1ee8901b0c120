import { readFileSync } from "node:fs";
import type { ConnectionOptions } from "node:tls";
import type { RedisTls } from "../config/redis-url-tls.ts";
import { messageOf } from "../errors.ts";

/** What Node's TLS needs to know. Throws, naming the parameter and the file, when a file cannot be read. */
export function tlsOptionsOf({ caFile, certFile, keyFile }: RedisTls): ConnectionOptions {
  return {
    ...(caFile !== undefined && { ca: pem("ssl_ca_certs", caFile) }),
    ...(certFile !== undefined && { cert: pem("ssl_certfile", certFile) }),
    ...(keyFile !== undefined && { key: pem("ssl_keyfile", keyFile) }),
  };
}

function pem(parameter: string, path: string): string {
  const text = readText(parameter, path);
  if (text.includes("-----BEGIN ")) return text;
  throw new Error(`${parameter} expects a file in PEM form, and ${path} is none`);
}

function readText(parameter: string, path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new Error(`${parameter} expects a file that can be read: ${messageOf(cause)}`, { cause });
  }
}
