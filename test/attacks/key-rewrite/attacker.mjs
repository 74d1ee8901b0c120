import { Redis } from "ioredis";

/*
 * Rewrites keys flat out: each becomes fresh, must then be there, and is made old again. Arguments: the URL, the keys.
 * Prints a line when it begins; at the end of its input what it counted, as JSON.
 */

const [url = "", count = "0"] = process.argv.slice(2);
const redis = new Redis(url);
const OLD = JSON.stringify({ date_done: "2020-01-01T00:00:00+00:00" });
const counts = { rewrites: 0, lost: 0 };
let isOver = false;
process.stdin.once("end", () => {
  isOver = true;
});
process.stdin.resume();
const keys = Array.from({ length: Number(count) }, (_, index) => `result:${index}`);

for (const key of keys) await redis.set(key, OLD);
console.log("begins");
while (!isOver) {
  for (const key of keys) {
    const fresh = JSON.stringify({ date_done: new Date().toISOString() });
    const answers = await redis.pipeline().set(key, fresh).get(key).exec();
    const later = await redis.get(key);
    if (answers?.[1]?.[1] !== fresh || later !== fresh) counts.lost += 1;
    await redis.set(key, OLD);
    counts.rewrites += 1;
  }
}
redis.disconnect();
console.log(JSON.stringify(counts));
