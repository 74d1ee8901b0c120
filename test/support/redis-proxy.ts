import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { onFinished } from "./finish.ts";

/** A request that is waited for. */
export interface Request {
  /** What the request holds. */
  readonly text: string;
  /** Only the so-manieth of them. Default: the first. */
  readonly nth?: number;
}

export interface RedisProxy {
  readonly url: string;
  /**
   * The next request that holds the text does not reach Redis, nor does anything after it: `act` is called
   * instead, and all connections end. Resolves when that has happened.
   */
  cutBefore(text: string, act: () => void): Promise<void>;
  /** Resolves when the request has come; it waits, with all that follows it on its connection, until `release`. */
  holdBefore(request: Request): Promise<Held>;
  /** Waits for no request any more; whoever awaits one waits for ever. */
  disarm(): void;
}

export interface Held {
  release(): void;
  /** Neither the request nor anything else reaches Redis: all connections end. New ones are served. */
  cut(): void;
}

interface Trap extends Request {
  readonly spring: (held: Held) => void;
  seen: number;
}

/** Stands between a program and Redis, so that the program can be killed at an exact point of its work. */
export async function useRedisProxy(redisPort: number): Promise<RedisProxy> {
  let trap: Trap | undefined;
  const sockets = new Set<Socket>();
  const end = (...ending: Socket[]) => {
    for (const socket of ending) {
      socket.destroy();
      sockets.delete(socket);
    }
  };
  const cut = () => end(...sockets);

  const server = createServer((client) => {
    const redis = connect(redisPort, "127.0.0.1");
    let tail = "";
    for (const socket of [client, redis]) {
      sockets.add(socket);
      socket.on("error", () => {}).on("close", () => end(client, redis));
    }
    client.on("data", (chunk) => {
      const text = tail + chunk.toString("latin1");
      tail = trap === undefined || text.includes(trap.text) ? "" : text.slice(1 - trap.text.length);
      if (trap === undefined || !springs(trap, text)) {
        redis.write(chunk);
        return;
      }
      const { spring } = trap;
      trap = undefined;
      client.pause();
      const release = () => {
        redis.write(chunk);
        client.resume();
      };
      spring({ release, cut });
    });
    redis.on("data", (chunk) => client.write(chunk));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onFinished(() => {
    cut();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("expected a port");
  const holdBefore = (request: Request) =>
    new Promise<Held>((spring) => {
      trap = { ...request, spring, seen: 0 };
    });
  return {
    url: `redis://127.0.0.1:${address.port}/0`,
    holdBefore,
    cutBefore: (text, act) =>
      new Promise((resolve) => {
        const spring = (held: Held) => {
          act();
          held.cut();
          resolve();
        };
        trap = { text, spring, seen: 0 };
      }),
    disarm: () => {
      trap = undefined;
    },
  };
}

/** Whether this is the one. Counts what it sees. */
function springs(trap: Trap, text: string): boolean {
  if (!text.includes(trap.text)) return false;
  trap.seen += 1;
  return trap.seen >= (trap.nth ?? 1);
}
