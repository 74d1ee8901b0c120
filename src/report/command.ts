import { redactText } from "../config/redact.ts";

/** As much of a command line as tells one program from another and still leaves a line of the report readable. */
const SHOWN_LENGTH = 100;

/**
 * An argument that is called like a secret, up to the next option: where one argument ends and the next begins is not
 * known any more, and a passphrase may hold blanks.
 */
const SECRET_ARGUMENT = (() => {
  const name = String.raw`[\w.-]*(?:pass|pwd|secret|token|auth|credential|key)[\w.-]*`;
  return new RegExp(String.raw`((?:^|\s)(?:${name}=|-${name}\s(?!-)))(?:(?!\s-).)+`, "gis");
})();

/** A command line to be shown to people: without passwords, and shortened. What could move a cursor is still in it. */
export function commandText(commandLine: string): string {
  const text = redactText(commandLine).replace(SECRET_ARGUMENT, "$1***");
  const characters = [...text];
  return characters.length > SHOWN_LENGTH ? `${characters.slice(0, SHOWN_LENGTH - 1).join("")}…` : text;
}
