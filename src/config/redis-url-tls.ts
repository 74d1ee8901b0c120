import { UrlFault, type UrlParameters } from "./url-parameters.ts";

/** Files in PEM form. The server's certificate is always checked: by `caFile`, else by the CAs that Node knows. */
export interface RedisTls {
  readonly caFile: string | undefined;
  readonly certFile: string | undefined;
  readonly keyFile: string | undefined;
}

/** The parameters of TLS, under the names that redis-py and Celery give them. */
export function tlsOf(parameters: UrlParameters): RedisTls {
  const requirement = parameters.take("ssl_cert_reqs");
  const name = parameters.take("ssl_check_hostname");
  if (requirement !== undefined && !/^(CERT_)?REQUIRED$/i.test(requirement)) refuseUnchecked("ssl_cert_reqs");
  if (name !== undefined && !/^(true|1|yes)$/i.test(name)) refuseUnchecked("ssl_check_hostname");
  const caFile = parameters.take("ssl_ca_certs");
  const certFile = parameters.take("ssl_certfile");
  const keyFile = parameters.take("ssl_keyfile");
  if ((certFile === undefined) !== (keyFile === undefined)) {
    throw new UrlFault("ssl_certfile and ssl_keyfile are expected together");
  }
  return { caFile, certFile, keyFile };
}

function refuseUnchecked(parameter: string): never {
  throw new UrlFault(
    `${parameter} must not turn the check of the server's certificate off, or anybody could pose as the server: ` +
      "leave it out, and name a CA of your own with ssl_ca_certs=/path/ca.pem",
  );
}
