import { Sweeper } from "../../src/system/sweeper.ts";

/* `node sweeper-caller.ts <root>`: calls a sweeper, and says so when it works. */

const sweeper = new Sweeper({ root: process.argv[2] ?? "", rules: [], preserve: [] }, () => {});
await sweeper.walk({ walk: [""] });
process.send?.("ready");
