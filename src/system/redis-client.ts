import {
  Cluster,
  type ClusterOptions,
  Redis,
  type RedisOptions,
  type SentinelConnectionOptions,
  SentinelConnector,
} from "ioredis";
import type { RedisAddress, RedisNode } from "../config/redis-url.ts";
import { tlsOptionsOf } from "./redis-tls.ts";

/** One connection to a Redis, whatever it is made of: a server, the master that sentinels name, or a Cluster. */
export type RedisClient = Redis | Cluster;

/** How long a Cluster's node may take to tell the slots: several may have to be asked. */
const SLOTS_MS = 600;

/**
 * Makes a client. With `lazyConnect` the caller connects it, and it never reconnects; else it does so for ever.
 * Throws when a file that the address names cannot be read.
 */
export function makeClient(address: RedisAddress, options: RedisOptions): RedisClient {
  const { username, password } = address.credentials;
  const common: RedisOptions = {
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(address.tls !== undefined && { tls: tlsOptionsOf(address.tls) }),
    ...options,
  };
  switch (address.kind) {
    case "single":
      return plain({ db: address.db, ...address.node, ...common });
    case "socket":
      return plain({ db: address.db, path: address.path, ...common });
    case "sentinel":
      return plain({ db: address.db, ...sentinelOptions(address, common), ...common });
    case "cluster":
      return new Cluster(address.nodes.map(startupNode), clusterOptions(common));
  }
}

function plain(options: RedisOptions): Redis {
  return new Redis({ ...options, replyMapping: "legacy" });
}

/**
 * ioredis 6.0 gives a connection up for good when the sentinels tell of a new master while the connection to it is being
 * made already: the subscription of the one before is ended first.
 */
class MasterConnector extends SentinelConnector {
  constructor(options: unknown) {
    super(options as SentinelConnectionOptions);
  }

  override connect(
    ...told: Parameters<SentinelConnector["connect"]>
  ): ReturnType<SentinelConnector["connect"]> {
    this.disconnect();
    return super.connect(...told);
  }
}

function sentinelOptions(
  { nodes, master, sentinelCredentials }: Extract<RedisAddress, { kind: "sentinel" }>,
  { tls, lazyConnect = false }: RedisOptions,
): RedisOptions {
  const { username, password } = sentinelCredentials;
  return {
    sentinels: nodes.map(startupNode),
    name: master,
    ...(username !== undefined && { sentinelUsername: username }),
    ...(password !== undefined && { sentinelPassword: password }),
    ...(tls !== undefined && { sentinelTLS: tls, enableTLSForSentinelMode: true }),
    // a master that hangs keeps its connections: that it was replaced is known from the sentinels only
    ...(lazyConnect
      ? { sentinelRetryStrategy: () => null }
      : { failoverDetector: true, Connector: MasterConnector }),
  };
}

function clusterOptions(redisOptions: RedisOptions) {
  const { lazyConnect = false, enableOfflineQueue = true } = redisOptions;
  return {
    redisOptions: { ...redisOptions, replyMapping: "legacy" },
    lazyConnect,
    enableOfflineQueue,
    slotsRefreshTimeout: SLOTS_MS,
    ...(lazyConnect ? { clusterRetryStrategy: () => null } : {}),
    // a certificate is made out for a name: what it resolves to would not match
    ...(redisOptions.tls === undefined ? {} : { dnsLookup: sameName }),
  } satisfies ClusterOptions;
}

const sameName: NonNullable<ClusterOptions["dnsLookup"]> = (name, answer) => answer(null, name);

function startupNode({ host, port }: RedisNode): { host: string; port: number } {
  return { host, port };
}
