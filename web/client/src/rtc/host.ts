import { Connection, type Tell } from "./connection.ts";
import type { ConnectionId, IceServer, RtcCommand } from "./messages.ts";

/** Makes and closes the page's WebRTC connections as the worker says. */
export class RtcHost {
  readonly #connections = new Map<ConnectionId, Connection>();
  readonly #iceServers: readonly RTCIceServer[];
  /** Servers that relays named. */
  #named: RTCIceServer[] = [];
  readonly #tell: Tell;

  /** `iceServers` are the user's own. */
  constructor(iceServers: readonly RTCIceServer[], tell: Tell) {
    this.#iceServers = iceServers;
    this.#tell = tell;
  }

  /**
   * Has the browser load what connections need: with the first one it takes tens of
   * milliseconds more, and now nobody waits for it.
   */
  warmUp(): void {
    try {
      new RTCPeerConnection().close();
    } catch {
      // The first connection says why.
    }
  }

  handle(command: RtcCommand): void {
    if (command.kind === "iceServers") {
      this.#named = command.servers.map(rtcServer).filter(isUsable);
      return;
    }
    const { connection: id } = command;
    switch (command.kind) {
      case "dial":
        this.#make(id)?.offer();
        return;
      case "answer":
        this.#make(id)?.answer(command.offer);
        return;
      case "signal":
        this.#connections.get(id)?.signal(command.signal);
        return;
      case "hangUp":
        this.#connections.get(id)?.hangUp();
        this.#connections.delete(id);
        return;
    }
  }

  close(): void {
    for (const connection of this.#connections.values()) {
      connection.close();
    }
    this.#connections.clear();
  }

  #make(id: ConnectionId): Connection | undefined {
    try {
      const config = { iceServers: [...this.#iceServers, ...this.#named] };
      const connection = new Connection(id, config, (event, transfer) => {
        if (event.kind === "closed") {
          this.#connections.delete(id);
        }
        this.#tell(event, transfer);
      });
      this.#connections.set(id, connection);
      return connection;
    } catch (error) {
      const reason = `this browser makes no direct connections: ${String(error)}`;
      this.#tell({ kind: "closed", connection: id, reason });
      return undefined;
    }
  }
}

function rtcServer({ url, username, credential }: IceServer): RTCIceServer {
  return username === "" ? { urls: url } : { urls: url, username, credential };
}

/** One server that a browser refuses must not cost the page its connections. */
function isUsable(server: RTCIceServer): boolean {
  try {
    new RTCPeerConnection({ iceServers: [server] }).close();
    return true;
  } catch {
    return false;
  }
}
