import type { Redis } from "ioredis";

/**
 * Who owns which slots of a Cluster, and which are on the move, as its masters say. Two equal answers: in between no
 * key went from one to another. `undefined` while slots are on the move. Of other servers: always the same.
 */
export async function topologyOf(servers: readonly Redis[], isCluster: boolean): Promise<string | undefined> {
  if (!isCluster) return "";
  const answers = await Promise.all(servers.map((server) => server.call("CLUSTER", "NODES")));
  const own = answers.map((answer) =>
    String(answer)
      .split("\n")
      .find((line) => line.includes("myself")),
  );
  // <id> <address> <flags> <master> <ping> <pong> <epoch> <state> <slots…>, a slot on the move in brackets
  if (own.some((line) => line?.includes("["))) return undefined;
  return own
    .map((line = "") => {
      const [id, , flags, , , , epoch, , ...slots] = line.split(" ");
      return [id, flags, epoch, ...slots].join(" ");
    })
    .sort()
    .join("\n");
}
