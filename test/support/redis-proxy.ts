import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { onTestFinished } from "vitest";

export interface RedisProxy {
  readonly url: string;
  /**
   * The next request that holds the text does not reach Redis, nor does anything after it: `act` is called
   * instead, and all connections end. Resolves when that has happened.
   */
  cutBefore(text: string, act: () => void): Promise<void>;
}

/** Stands between a program and Redis, so that the program can be killed at an exact point of its work. */
export async function useRedisProxy(redisPort: number): Promise<RedisProxy> {
  let trap: { text: string; spring: () => void } | undefined;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const redis = connect(redisPort, "127.0.0.1");
    let seen = "";
    for (const socket of [client, redis]) {
      sockets.add(socket);
      socket.on("error", () => {}).on("close", () => end(client, redis));
    }
    client.on("data", (chunk) => {
      seen = seen.slice(-1_000) + chunk.toString("latin1");
      if (trap !== undefined && seen.includes(trap.text)) trap.spring();
      else redis.write(chunk);
    });
    redis.on("data", (chunk) => client.write(chunk));
  });
  const end = (...ending: Socket[]) => {
    for (const socket of ending) {
      socket.destroy();
      sockets.delete(socket);
    }
  };
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    end(...sockets);
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("expected a port");
  return {
    url: `redis://127.0.0.1:${address.port}/0`,
    cutBefore: (text, act) =>
      new Promise((resolve) => {
        trap = {
          text,
          spring: () => {
            act();
            end(...sockets);
            resolve();
          },
        };
      }),
  };
}
