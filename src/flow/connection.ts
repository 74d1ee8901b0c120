import type { Config } from "../config/config.ts";
import { redactText } from "../config/redact.ts";
import { messageOf, SafeShutdownError } from "../errors.ts";
import type { Clock } from "../system/clock.ts";
import { isConnectionLoss } from "../system/redis-connection.ts";
import type { Catalog } from "./catalog.ts";
import type { QueueClient } from "./client.ts";

/** The connection to the queue: made when it is first needed, and anew when it was lost. */
export class QueueConnection {
  readonly #config: Config;
  readonly #catalog: Catalog;
  readonly #clock: Clock;
  #client: Promise<QueueClient> | undefined;

  constructor(config: Config, catalog: Catalog, clock: Clock) {
    this.#config = config;
    this.#catalog = catalog;
    this.#clock = clock;
  }

  /** Throws `redis-unreachable`, within two seconds. */
  async client(): Promise<QueueClient> {
    const known = this.#client;
    if (known !== undefined && !(await isConnected(known)) && this.#client === known)
      this.#client = undefined;
    this.#client ??= this.#connect();
    return this.#client;
  }

  /** BullMQ takes longer to load than all the rest: a run in this process does without. */
  async #connect(): Promise<QueueClient> {
    const { QueueClient } = await import("./client.ts");
    return QueueClient.connect(this.#config, this.#catalog, this.#clock);
  }

  /** One that has just answered, or why Redis cannot be reached. */
  async clientOrReason(): Promise<QueueClient | string> {
    try {
      const client = await this.client();
      return (await client.answers()) ? client : await this.client();
    } catch (error) {
      this.#client = undefined;
      if (error instanceof SafeShutdownError && error.code === "redis-unreachable") return error.message;
      throw error;
    }
  }

  /** Asks something. Throws `redis-unreachable`, also when Redis is lost in the middle of it. */
  async ask<T>(question: (client: QueueClient) => Promise<T>): Promise<T> {
    const client = await this.client();
    try {
      return await question(client);
    } catch (error) {
      if (error instanceof SafeShutdownError || !isConnectionLoss(error)) throw error;
      const message = `Redis was lost while it was asked: ${redactText(messageOf(error))}`;
      throw new SafeShutdownError("redis-unreachable", message, { cause: error });
    }
  }

  /** Throws `redis-unreachable`. */
  async reconnect(): Promise<void> {
    await this.close();
    await this.client();
  }

  /** Always resolves. */
  async close(): Promise<void> {
    const [old] = await Promise.allSettled([this.#client]);
    this.#client = undefined;
    if (old.status === "fulfilled") await old.value?.close();
  }
}

async function isConnected(client: Promise<QueueClient>): Promise<boolean> {
  const [outcome] = await Promise.allSettled([client]);
  if (outcome.status === "rejected") return false;
  if (!outcome.value.isConnected) await outcome.value.close();
  return outcome.value.isConnected;
}
