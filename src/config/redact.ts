/*
 * Nothing with a password in it may reach a report, a log or an error. Everything shown of a config passes
 * through here; hiding too much is fine, hiding too little is not.
 */

const HIDDEN = "***";
/** Up to the last "@", because an unencoded password may hold "/", "@", "?" and blanks itself. */
const CREDENTIALS = /\/\/(.*)@/s;
/** `?password=…`, which ioredis takes from a URL too. */
const SECRET_PARAMETER = /([?&][^=&\s]*(?:pass|secret|token|auth)[^=&\s]*=)[^&\s"'`]*/gi;

/** A URL, or any text of the operator's, in which whatever looks like credentials is hidden: `redis://user:***@host:6379/0`. */
export function redactText(text: string): string {
  return text
    .replace(CREDENTIALS, (_match, credentials: string) => `//${hide(credentials)}@`)
    .replace(SECRET_PARAMETER, `$1${HIDDEN}`);
}

/** A user's name is shown only when a password follows it; alone, it may be the password. */
function hide(credentials: string): string {
  const [, user] = /^([\w.%-]*):/.exec(credentials) ?? [];
  return user === undefined ? HIDDEN : `${user}:${HIDDEN}`;
}
