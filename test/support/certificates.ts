import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

/** Two PEM files. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** A certificate authority of the test's own, made by openssl. */
export interface Authority extends Certificate {
  /** Makes a certificate for these names (`IP:127.0.0.1`, `DNS:localhost`); `expired` ones were valid long ago. */
  issue(name: string, names: string, options?: { readonly expired?: boolean }): Certificate;
}

/** Its files lie in `directory`, which must exist and goes with the test. */
export function makeAuthority(directory: string, name = "ca"): Authority {
  const openssl = (...args: string[]) => execFileSync("openssl", args, { cwd: directory, stdio: "pipe" });
  const path = (file: string) => join(directory, file);
  const newKey = (file: string) =>
    openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", file);

  newKey(`${name}.key`);
  const subject = ["-subj", `/CN=${name}`, "-days", "30"];
  openssl("req", "-x509", "-new", "-key", `${name}.key`, "-out", `${name}.pem`, ...subject);

  return {
    cert: path(`${name}.pem`),
    key: path(`${name}.key`),
    issue: (leaf, names, { expired = false } = {}) => {
      newKey(`${leaf}.key`);
      openssl("req", "-new", "-key", `${leaf}.key`, "-subj", `/CN=${leaf}`, "-out", `${leaf}.csr`);
      writeFileSync(path(`${leaf}.ext`), `subjectAltName=${names}\n`);
      // a certificate that ended before it began to be used: `x509 -days` takes no date of the past
      const validity = expired ? ["-days", "-1"] : ["-days", "30"];
      const authority = ["-CA", `${name}.pem`, "-CAkey", `${name}.key`, "-CAcreateserial"];
      const files = ["-in", `${leaf}.csr`, "-extfile", `${leaf}.ext`, "-out", `${leaf}.pem`];
      openssl("x509", "-req", ...files, ...authority, ...validity);
      return { cert: path(`${leaf}.pem`), key: path(`${leaf}.key`) };
    },
  };
}
