# The maintenance worker. See docker-compose.yml for what it needs from the host.
FROM node:20-slim AS build
WORKDIR /opt/safe-shutdown
COPY package.json package-lock.json ./
RUN npm install
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
COPY jobs ./jobs
RUN npx tsc -p tsconfig.build.json && npm prune --omit=dev

FROM node:20-slim
ENV NODE_ENV=production
WORKDIR /opt/safe-shutdown
COPY package.json ./
COPY config ./config
COPY --from=build /opt/safe-shutdown/node_modules ./node_modules
COPY --from=build /opt/safe-shutdown/dist ./dist
# Exec form: a shell in between would not pass SIGTERM on, and the worker would be killed in mid-job.
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "/opt/safe-shutdown/dist/src/cli/main.js"]
CMD ["worker"]
