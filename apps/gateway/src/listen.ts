import { once } from "node:events";
import type { Server } from "node:http";
import { type AddressInfo, createServer, type Server as NetServer, type Socket } from "node:net";
import { platform } from "node:os";

/** Connections that wait to be accepted: a flood must not make other clients wait for the kernel's second try. */
const backlog = 4096;

/**
 * Sockets that listen on the port. Performance: Node accepts one connection of each in a turn of the event loop. With one socket and
 * turns of 20 ms, the last of 400 new clients waited for 11 seconds.
 */
const sockets = 64;

/**
 * Makes a server listen, on Linux on several sockets of one port. Its `close` closes all of them.
 * @throws the error of the system if the port is in use.
 */
export async function listen(server: Server, { port, host }: { port: number; host: string }): Promise<AddressInfo> {
  limitConnections(server);
  if (platform() !== "linux") return open(server, { port, host, backlog });
  // Sockets that share a port do not notice another program on it, so one that does not share it looks first.
  const probe = createServer();
  const { port: free } = await open(probe, { port, host });
  await new Promise((resolve) => probe.close(resolve));
  const shared = { port: free, host, backlog, reusePort: true };
  const address = await open(server, shared);
  const others = Array.from({ length: sockets - 1 }, () =>
    createServer({ noDelay: true }, (socket) => void server.emit("connection", socket)),
  );
  await Promise.all(others.map((other) => open(other, shared)));
  closeTogether(server, others);
  return address;
}

async function open(server: NetServer, options: object): Promise<AddressInfo> {
  server.listen(options);
  await once(server, "listening");
  return server.address() as AddressInfo;
}

/** Node counts the connections of each listening socket by itself. */
function limitConnections(server: Server): void {
  let count = 0;
  server.prependListener("connection", (socket: Socket) => {
    count++;
    socket.once("close", () => count--);
    if (count > server.maxConnections) socket.destroy();
  });
}

function closeTogether(server: Server, others: readonly NetServer[]): void {
  const close = server.close.bind(server);
  server.close = (callback) => {
    let left = others.length + 1;
    const done = (error?: Error) => {
      left--;
      if (left === 0) callback?.(error);
    };
    for (const other of others) other.close(done);
    return close(done);
  };
}
