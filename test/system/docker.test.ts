import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Copy, DockerfileParser, Entrypoint, type Instruction, JSONInstruction } from "dockerfile-ast";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { configFileSchema } from "../../src/config/schema.ts";

const PROJECT = fileURLToPath(new URL("../..", import.meta.url));
const read = (path: string) => readFileSync(join(PROJECT, path), "utf8");

const compose = z
  .object({
    services: z.object({
      redis: z.object({
        command: z.array(z.string()),
        volumes: z.array(z.string()),
        healthcheck: z.object({ test: z.array(z.string()) }),
        ports: z.never().optional(),
      }),
      "safe-shutdown": z.object({
        build: z.string(),
        command: z.array(z.string()),
        environment: z.record(z.string(), z.string()),
        volumes: z.array(z.string()),
        pid: z.string(),
        init: z.boolean(),
        stop_grace_period: z.string(),
        depends_on: z.object({ redis: z.object({ condition: z.string() }) }),
      }),
    }),
    volumes: z.record(z.string(), z.unknown()),
  })
  .parse(parse(read("docker-compose.yml")));

describe("docker-compose.yml", () => {
  const { redis, "safe-shutdown": worker } = compose.services;

  test("has a Redis that evicts nothing, keeps its data, is checked and is not published", () => {
    const options = redis.command.join(" ");
    expect(options).toContain("--maxmemory-policy noeviction");
    expect(options).toContain("--appendonly yes");
    expect(redis.healthcheck.test).toEqual(["CMD", "redis-cli", "ping"]);
    expect(redis.volumes).toEqual(["redis-data:/data"]);
    expect(compose.volumes).toHaveProperty("redis-data");
    expect(redis.ports).toBeUndefined();
  });

  test("has a worker that sees the host's processes and is given the time to finish", () => {
    expect(worker.pid).toBe("host");
    expect(worker.init).toBe(true);
    const { workerGrace } = configFileSchema.parse({ app: "any" });
    expect(worker.stop_grace_period).toMatch(/^\d+s$/);
    expect(Number.parseInt(worker.stop_grace_period, 10) * 1000).toBeGreaterThan(workerGrace);
  });

  test("starts the worker on the application's root, once Redis is healthy", () => {
    expect(existsSync(join(PROJECT, worker.build, "Dockerfile"))).toBe(true);
    expect(worker.command.slice(0, 2)).toEqual(["worker", "--root"]);
    expect(worker.environment.SAFE_SHUTDOWN_REDIS_URL).toContain("redis://redis:6379");
    expect(worker.depends_on.redis.condition).toBe("service_healthy");
  });

  test("mounts the root under the path that it has on the host", () => {
    const root = /\$\{APP_ROOT[^}]*\}/g;
    const sides = (worker.volumes[0] ?? "").match(root)?.map((side) => side.slice(0, "${APP_ROOT".length));
    expect(sides).toEqual(["${APP_ROOT", "${APP_ROOT"]);
    expect(worker.command[2]).toMatch(root);
  });
});

describe("Dockerfile", () => {
  const instructions = DockerfileParser.parse(read("Dockerfile")).getInstructions();

  test("copies only what is there and what .dockerignore lets through", () => {
    const letThrough = read(".dockerignore").match(/^!.*$/gm);
    const copied = instructions.filter(isCopyFromContext).flatMap(sourcesOf);
    expect(copied).toContain("config");
    for (const path of copied) {
      expect(existsSync(join(PROJECT, path)), path).toBe(true);
      expect(letThrough).toContain(`!${path}`);
    }
  });

  test("ends in the built program, without a shell in between", () => {
    const entrypoint = instructions.findLast((instruction) => instruction instanceof Entrypoint);
    const words = entrypoint instanceof JSONInstruction ? stringsOf(entrypoint) : [];
    expect(words).toEqual(["node", "/opt/safe-shutdown/dist/src/cli/main.js"]);
    expect(existsSync(join(PROJECT, "dist/src/cli/main.js"))).toBe(true);
  });

  test("runs on the oldest Node the package supports", () => {
    const { engines } = z
      .object({ engines: z.object({ node: z.string() }) })
      .parse(JSON.parse(read("package.json")));
    const major = engines.node.match(/\d+/)?.[0];
    const images = DockerfileParser.parse(read("Dockerfile"))
      .getFROMs()
      .map((from) => from.getImage());
    expect(new Set(images)).toEqual(new Set([`node:${major}-slim`]));
  });
});

function isCopyFromContext(instruction: Instruction): instruction is Copy {
  return instruction instanceof Copy && instruction.getFromFlag() === null;
}

function sourcesOf(copy: Copy): string[] {
  return copy
    .getArguments()
    .slice(0, -1)
    .map((argument) => argument.getValue().replace(/^\.\//, ""));
}

function stringsOf(instruction: JSONInstruction): string[] {
  return instruction.getJSONStrings().map((word) => word.getJSONValue());
}
