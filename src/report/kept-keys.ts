import type { KeepReason } from "../system/prune-pass.ts";

/** Why keys were kept, as it follows their number: `12 keys younger than 8m`. */
export function whyKept(why: KeepReason, limit: string): string {
  switch (why) {
    case "young":
      return `younger than ${limit}`;
    case "used":
      return `used within the last ${limit}`;
    case "unproved":
      return "whose age cannot be proved";
    case "given":
      return "given a TTL before, which they may live out";
    case "queue":
      return "that are lists or streams, which may be queues";
    case "unready":
      return "of Celery tasks that have not ended";
    case "group":
      return "of Celery groups and chords that may still be needed";
    case "large":
      return "of Celery groups with too many results to be looked at within the latency budget";
    case "moving":
      return "on their way to another server of the Cluster";
    case "protected":
      return "of the broker or the queue";
    case "limit":
      return "over the limit";
  }
}
